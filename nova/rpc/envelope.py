# SPDX-License-Identifier: Apache-2.0
"""The signed envelope around every message: who sent it, for how long it is good, and that it is not a repeat.

The signature is an HMAC-SHA256 over exactly the bytes that travel. Two kinds of keys: ``services`` is shared by the
daemons of the control plane; ``host:H`` is known to host H and to the control plane only. A message under a host's key
is believed to come from that host, or, on that host, from the control plane. A reply is signed with the key of its
request and bound to the request's nonce.
"""

from __future__ import annotations

import collections
import dataclasses
import hmac
import logging
from typing import Any, Protocol

from nova import concurrency, errors
from nova.rpc.keyring import SERVICES, Key, Keyring, host_key
from nova.rpc.serializer import dumps, loads

LOG = logging.getLogger(__name__)

__all__ = ["Keyring", "NullSigner", "Received", "Refused", "Sender", "Signer", "current_sender", "receiving"]

Sealed = dict[str, str]
NULL = "none"
#: Keys of clocks that are ahead of ours are accepted up to this many seconds.
SKEW = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Sender:
    """``incarnation`` is the uuid of this start of the service."""

    service: str
    host: str
    incarnation: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """An opened envelope. ``key`` and ``nonce`` are what the reply will be sealed with."""

    sender: Sender
    body: dict[str, Any]
    key: str
    nonce: str


class Refused(errors.Forbidden):
    """This message is not accepted."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(f"The message was refused: {why}", reason=reason)
        self.reason = reason


class Sealer(Protocol):
    """Seals requests and replies and opens those of others."""

    refused: collections.Counter[str]

    def seal(self, sender: Sender, body: dict[str, Any], *, to_host: str | None = None) -> tuple[Sealed, Received]: ...
    def open(self, sealed: Any) -> Received: ...
    def seal_reply(self, request: Received, body: dict[str, Any]) -> Sealed: ...
    def open_reply(self, request: Received, sealed: Any) -> dict[str, Any]: ...


class NonceCache:
    """Remembers nonces for at least ``lifetime`` seconds, in two generations, so that forgetting costs nothing."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._lock = concurrency.Lock()
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._turn = concurrency.time() + lifetime

    def add(self, nonce: str) -> bool:
        """False if it was here before."""
        with self._lock:
            now = concurrency.time()
            if now >= self._turn:
                self._old = self._young if now < self._turn + self._lifetime else set()
                self._young = set()
                self._turn = now + self._lifetime
            if nonce in self._young or nonce in self._old:
                return False
            self._young.add(nonce)
            return True


class NullSigner:
    """Seals without a signature: for tests, and for a bus that cannot be reached from outside the process."""

    signs = False

    def __init__(self, lifetime: float = 120.0) -> None:
        self.lifetime = lifetime
        self.refused: collections.Counter[str] = collections.Counter()
        self._nonces = NonceCache(lifetime + SKEW)

    # -- requests

    def seal(self, sender: Sender, body: dict[str, Any], *, to_host: str | None = None) -> tuple[Sealed, Received]:
        now = concurrency.time()
        nonce = f"{concurrency.random().getrandbits(96):024x}"
        key = self._key_for(to_host)
        text = dumps({"service": sender.service, "host": sender.host, "incarnation": sender.incarnation,
                      "nonce": nonce, "issued": now, "expires": now + self.lifetime, "body": body})
        return {"text": text, "key": key, "sig": self._sign(key, "", text)}, Received(sender, body, key, nonce)

    def open(self, sealed: Any) -> Received:
        """Raises Refused, after logging and counting it."""
        try:
            return self._open(sealed)
        except Refused as e:
            self.refused[e.reason] += 1
            LOG.warning("%s", e.message)
            raise

    def _open(self, sealed: Any) -> Received:
        text, key, signature = _parts(sealed)
        self._check(key, "", text, signature)
        try:
            header = loads(text)
            sender = Sender(header["service"], header["host"], header["incarnation"])
            nonce, issued, expires = str(header["nonce"]), float(header["issued"]), float(header["expires"])
            body = header["body"]
        except (ValueError, KeyError, TypeError) as e:
            raise Refused("malformed", "it is malformed") from e
        self._check_sender(key, sender)
        now = concurrency.time()
        if now > expires or expires > now + self.lifetime + SKEW or issued > now + SKEW:
            raise Refused("expired", f"it from {sender.service} on {sender.host} is {now - issued:.0f} s old")
        if not self._nonces.add(nonce):
            raise Refused("replayed", f"it was received before, from {sender.service} on {sender.host}")
        return Received(sender, body, key, nonce)

    # -- replies

    def seal_reply(self, request: Received, body: dict[str, Any]) -> Sealed:
        text = dumps(body)
        return {"text": text, "key": request.key, "sig": self._sign(request.key, request.nonce, text)}

    def open_reply(self, request: Received, sealed: Any) -> dict[str, Any]:
        text, key, signature = _parts(sealed)
        if key != request.key:
            raise Refused("signature", "the reply is signed with another key than the request")
        self._check(key, request.nonce, text, signature)
        body: dict[str, Any] = loads(text)
        return body

    # -- what a signer with keys does otherwise

    def _key_for(self, to_host: str | None) -> str:
        return NULL

    def _sign(self, key: str, nonce: str, text: str) -> str:
        return ""

    def _check(self, key: str, nonce: str, text: str, signature: str) -> None:
        if key != NULL:
            raise Refused("key", f"key {key} is not known here")

    def _check_sender(self, key: str, sender: Sender) -> None:
        return None


class Signer(NullSigner):
    """Seals with the keys of a ring. ``own`` is the key of this process: ``services``, or that of its host."""

    signs = True

    def __init__(self, keyring: Keyring, own: str = SERVICES, lifetime: float = 120.0) -> None:
        super().__init__(lifetime)
        self._keys, self._own = keyring, own
        keyring.get(own)

    def _key_for(self, to_host: str | None) -> str:
        if to_host is not None and self._own == SERVICES and host_key(to_host) in self._keys:
            return host_key(to_host)
        return self._own

    def _sign(self, key: str, nonce: str, text: str) -> str:
        return _mac(self._keys.get(key), nonce, text)

    def _check(self, key: str, nonce: str, text: str, signature: str) -> None:
        if key not in self._keys:
            raise Refused("key", f"key {key} is not known here")
        if not hmac.compare_digest(_mac(self._keys.get(key), nonce, text), signature):
            raise Refused("signature", f"its signature with key {key} is wrong")

    def _check_sender(self, key: str, sender: Sender) -> None:
        if key not in (SERVICES, self._own, host_key(sender.host)):
            raise Refused("sender", f"key {key} does not speak for host {sender.host}")


def _mac(key: Key, nonce: str, text: str) -> str:
    return hmac.digest(key, f"{nonce}\n{text}".encode(), "sha256").hex()


def _parts(sealed: Any) -> tuple[str, str, str]:
    try:
        text, key, signature = sealed["text"], sealed["key"], sealed["sig"]
    except (KeyError, TypeError) as e:
        raise Refused("malformed", "it has no envelope") from e
    if not (isinstance(text, str) and isinstance(key, str) and isinstance(signature, str)):
        raise Refused("malformed", "its envelope is malformed")
    return text, key, signature


class _Current:
    """Who sent the request that the running task works on."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._local: Any = None

    def local(self) -> Any:
        if self._backend is not concurrency.backend():
            self._backend, self._local = concurrency.backend(), concurrency.Local()
        return self._local


_CURRENT = _Current()


class receiving:  # noqa: N801 - used as a with statement
    """While this block runs, :func:`current_sender` tells ``sender``."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def __enter__(self) -> None:
        local = _CURRENT.local()
        self._before = getattr(local, "sender", None)
        local.sender = self._sender

    def __exit__(self, *exc: object) -> None:
        _CURRENT.local().sender = self._before


def current_sender() -> Sender | None:
    """The verified sender of the request that is being served; None outside of one."""
    sender: Sender | None = getattr(_CURRENT.local(), "sender", None)
    return sender
