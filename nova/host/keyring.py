# SPDX-License-Identifier: Apache-2.0
"""Keys in files of a directory, shared by the processes of a service. What they sign or seal stands elsewhere."""

from __future__ import annotations

import os
import pathlib
import secrets

from nova import errors

_MIN_KEY = 32


class Keyring:
    """Keys by file: ``<name>.key`` with hexadecimal bytes. The name that sorts last is used for what is new; all of
    them are good for what is old. ``option`` is the one that named the directory, for messages."""

    def __init__(self, directory: str | os.PathLike[str], option: str = "[image]signing_keys_dir") -> None:
        self._directory, self._option = pathlib.Path(directory), option
        self._keys: list[bytes] = []
        self._stamp = -1

    def keys(self) -> list[bytes]:
        """All keys, the newest first; the directory is read again when it has changed."""
        try:
            stamp = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            stamp = -1
        if not self._keys or stamp != self._stamp:
            self._keys = self._read() or [self._create()]
            self._stamp = self._directory.stat().st_mtime_ns
        return self._keys

    def _read(self) -> list[bytes]:
        keys = []
        for path in sorted(self._directory.glob("*.key"), reverse=True):
            try:
                key = bytes.fromhex(path.read_text("ascii").strip())
            except (ValueError, OSError) as e:
                raise errors.ConfigError(f"{self._option}: {path} is not a readable key ({e}); write at least "
                                         f"{_MIN_KEY} random bytes in hexadecimal or remove it") from e
            if len(key) < _MIN_KEY:
                raise errors.ConfigError(f"{self._option}: the key in {path} is shorter than {_MIN_KEY} "
                                         f"bytes; make a longer one with: openssl rand -hex {_MIN_KEY}")
            keys.append(key)
        return keys

    def _create(self) -> bytes:
        """The first key. Processes that start together agree on it: the file appears whole or not at all."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._directory / f".{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_MIN_KEY))
            file.flush()
            os.fsync(file.fileno())
        target = self._directory / "0001.key"
        try:
            os.link(draft, target)
        except FileExistsError:
            pass  # another process was first; its key is the key
        finally:
            draft.unlink()
        return bytes.fromhex(target.read_text("ascii").strip())
