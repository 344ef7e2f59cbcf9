# SPDX-License-Identifier: Apache-2.0
"""Hashes of passwords and secrets: scrypt for ours; bcrypt is understood too, for users that come from a Keystone.

Hashes describe themselves (``$scrypt$ln=15,r=8,p=1$salt$hash``), so the cost can be raised while old ones still work.
Salts come from the operating system, never from the seeded source of the simulation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import queue
from collections.abc import Callable
from typing import Any, TypeVar

import bcrypt

from nova import concurrency, errors

T = TypeVar("T")
_R, _P = 8, 1
_MAX_PASSWORD = 4096


def _scrypt(password: str, salt: bytes, cost: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << cost, r=r, p=p, maxmem=(1 << cost) * r * 256 + (1 << 20),
                          dklen=32)


class Hasher:
    """Hashes and compares, ``parallel`` at a time: a hash takes 2^cost KiB, and a crowd at the door must not eat the
    machine. Runs aside, so that other requests go on meanwhile. ``cost`` is that of new hashes.
    """

    def __init__(self, cost: int, parallel: int = 2, timeout: float = 30.0) -> None:
        self._cost, self._timeout = cost, timeout
        self._turns = concurrency.Queue()
        for turn in range(parallel):
            self._turns.put(turn)

    def hash(self, password: str) -> str:
        """A new hash with a new salt."""
        salt = os.urandom(16)
        digest = self._run(_scrypt, password, salt, self._cost, _R, _P)
        return f"$scrypt$ln={self._cost},r={_R},p={_P}${_encode(salt)}${_encode(digest)}"

    def verify(self, password: str, hashed: str | None) -> bool:
        """Compare in constant time. Without a hash the same work is done, so that time does not tell who exists."""
        if len(password) > _MAX_PASSWORD:
            return False
        if not hashed:
            self._run(_scrypt, password, b"no such user....", self._cost, _R, _P)
            return False
        return self._run(_verify, password, hashed)

    def _run(self, work: Callable[..., T], *args: Any) -> T:
        try:
            turn = self._turns.get(timeout=self._timeout)
        except queue.Empty as e:
            raise errors.Unavailable("Too many logins at once.", retry_after=5) from e
        try:
            return concurrency.offload(work, *args)
        finally:
            self._turns.put(turn)


def _verify(password: str, hashed: str) -> bool:
    try:
        if hashed.startswith("$2"):
            return bcrypt.checkpw(password.encode()[:72], hashed.encode())
        _, scheme, options, salt, digest = hashed.split("$")
        cost = {name: int(value) for name, value in (o.split("=") for o in options.split(","))}
        expected = _decode(digest)
        return scheme == "scrypt" and hmac.compare_digest(
            expected, _scrypt(password, _decode(salt), cost["ln"], cost["r"], cost["p"]))
    except (ValueError, KeyError, binascii.Error):
        return False


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
