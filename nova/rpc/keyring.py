# SPDX-License-Identifier: Apache-2.0
"""The keys that sign messages: one file per key in a directory, readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nova import errors

Key = bytes

#: The key that the daemons of the control plane share.
SERVICES = "services"
_HOST = "host:"
_NAME = re.compile(r"(services|host:[A-Za-z0-9][A-Za-z0-9._-]{0,254})\Z")
_LENGTH = 32


def host_key(host: str) -> str:
    """The id of a host's key."""
    return _HOST + host


class Keyring:
    """Key id → secret. The file of ``host:c1`` is called ``host:c1.key`` and holds the secret in hexadecimal."""

    def __init__(self, keys: Mapping[str, Key] | None = None) -> None:
        self._keys: dict[str, Key] = dict(keys or {})

    @classmethod
    def load(cls, path: str | Path) -> Keyring:
        """Read all keys of a directory, or one key file. Raises ConfigError for what cannot be trusted."""
        path = Path(path)
        if not path.exists():
            raise errors.ConfigError(f"[rpc] keys: there is no {path}; run 'nova-manage host enroll'")
        files = sorted(path.glob("*.key")) if path.is_dir() else [path]
        ring = cls()
        for file in files:
            ring._keys[_checked(file.name.removesuffix(".key"))] = _read(file)
        if not ring._keys:
            raise errors.ConfigError(f"[rpc] keys: there is no key in {path}; run 'nova-manage host enroll'")
        return ring

    def generate(self, key: str = SERVICES) -> Key:
        """Make a new key under that id; a former one is replaced."""
        self._keys[_checked(key)] = os.urandom(_LENGTH)
        return self._keys[key]

    def save(self, path: str | Path) -> None:
        """Write the keys into a directory (mode 0700), each whole or not at all, mode 0600."""
        directory = Path(path)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for key, secret in self._keys.items():
            draft = directory / f".{key}.new"
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as f:
                f.write(secret.hex() + "\n")
                f.flush()
                os.fsync(f.fileno())
            draft.replace(directory / f"{key}.key")

    def only(self, *keys: str) -> Keyring:
        """A ring with just these keys: what a host is given."""
        return Keyring({k: self.get(k) for k in keys})

    def get(self, key: str) -> Key:
        try:
            return self._keys[key]
        except KeyError:
            raise errors.ConfigError(f"[rpc] keys: there is no key {key}; run 'nova-manage host enroll'") from None

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _checked(key: str) -> str:
    if not _NAME.match(key):
        raise errors.ConfigError(f"[rpc] keys: {key!r} is no name of a key; use 'services' or 'host:NAME'")
    return key


def _read(file: Path) -> Key:
    try:
        if file.stat().st_mode & 0o077:
            raise errors.ConfigError(f"[rpc] keys: {file} can be read by others; run chmod 0600 {file}")
        secret = bytes.fromhex(file.read_text().strip())
    except (OSError, ValueError) as e:
        raise errors.ConfigError(f"[rpc] keys: {file} cannot be read: {e}") from e
    if len(secret) < _LENGTH:
        raise errors.ConfigError(f"[rpc] keys: {file} is too short; run 'nova-manage host enroll'")
    return secret
