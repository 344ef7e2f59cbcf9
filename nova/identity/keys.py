# SPDX-License-Identifier: Apache-2.0
"""The directory of Fernet keys, laid out as a Keystone's: file 0 is the next key, the highest number is in use.

Every key in it opens tokens. Nodes that share tokens share the directory by copying it; file 0 is what lets a key
arrive everywhere before it is used anywhere.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from nova import concurrency, errors


class KeyRepository:
    def __init__(self, directory: str, max_active: int = 3) -> None:
        self._path = Path(directory)
        self._max_active = max_active
        self._seen: int | None = None
        self._fernet: MultiFernet | None = None

    def ensure(self) -> None:
        """Make the directory and its first keys when they are missing. Safe when several processes start at once."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._numbers():
                self._write(1)
                self._write(0)
        except OSError as e:
            raise self._problem(e) from e

    def rotate(self) -> int:
        """Put the next key to use, make a new next one, drop the oldest beyond the limit; the number now in use."""
        self.ensure()
        try:
            numbers = self._numbers()
            primary = max(numbers) + 1
            if 0 not in numbers:
                self._write(0)
            os.rename(self._path / "0", self._path / str(primary))
            self._write(0)
            kept = [n for n in self._numbers() if n]
            for number in kept[:max(0, len(kept) - (self._max_active - 1))]:
                (self._path / str(number)).unlink()
        except OSError as e:
            raise self._problem(e) from e
        return primary

    def seal(self, payload: bytes) -> str:
        """A token; the padding is left off, as clients put tokens into headers and URLs."""
        return self._current().encrypt_at_time(payload, int(concurrency.time())).decode().rstrip("=")

    def open(self, token: str) -> bytes:
        fernet = self._current()
        try:
            return fernet.decrypt(token + "=" * (-len(token) % 4))
        except (InvalidToken, ValueError) as e:  # the latter when it is not ASCII
            raise errors.Unauthorized() from e

    def _current(self) -> MultiFernet:
        try:
            seen = os.stat(self._path).st_mtime_ns
            if self._fernet is None or seen != self._seen:
                self._fernet, self._seen = self._load(), seen
        except (OSError, ValueError) as e:
            raise self._problem(e) from e
        return self._fernet

    def _load(self) -> MultiFernet:
        numbers = sorted(self._numbers(), reverse=True)
        if not numbers:
            raise ValueError("no key in it")
        return MultiFernet([Fernet((self._path / str(n)).read_bytes().strip()) for n in numbers])

    def _numbers(self) -> list[int]:
        return sorted(int(name) for name in os.listdir(self._path) if name.isdecimal())

    def _write(self, number: int) -> None:
        """A whole key or none, and never over one that is there: another process may have been first."""
        handle, temporary = tempfile.mkstemp(dir=self._path, prefix=".key-")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(Fernet.generate_key())
                f.flush()
                os.fsync(f.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(temporary, self._path / str(number))
        finally:
            os.unlink(temporary)

    def _problem(self, error: Exception) -> errors.ConfigError:
        return errors.ConfigError(f"[identity] fernet_key_repository = {self._path} cannot be used ({error}); let "
                                  "this user read and write the directory, or name another one")
