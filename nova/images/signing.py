# SPDX-License-Identifier: Apache-2.0
"""Short-lived signed URLs for image bytes, so that a host fetches them without a token. Keys lie in a directory."""

from __future__ import annotations

import hashlib
import hmac
import os
import pathlib
import secrets
from urllib.parse import urlencode

from nova import concurrency, errors

_MIN_KEY = 32
_LONGEST = 7 * 86400


class Keyring:
    """Keys by file: ``<name>.key`` with hexadecimal bytes. The name that sorts last signs; all of them verify."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = pathlib.Path(directory)
        self._keys: list[bytes] = []
        self._stamp = -1

    def keys(self) -> list[bytes]:
        """All keys, the signing one first; the directory is read again when it has changed."""
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
                raise errors.ConfigError(f"[image]signing_keys_dir: {path} is not a readable key ({e}); write at least "
                                         f"{_MIN_KEY} random bytes in hexadecimal or remove it") from e
            if len(key) < _MIN_KEY:
                raise errors.ConfigError(f"[image]signing_keys_dir: the key in {path} is shorter than {_MIN_KEY} "
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


class UrlSigner:
    """Signs and checks ``METHOD image until-when``. A signature for reading does not allow writing."""

    def __init__(self, keyring: Keyring, ttl: int = 3600) -> None:
        self._keyring = keyring
        self._ttl = min(ttl, _LONGEST)

    def sign(self, image_id: str, expires: int | None = None, method: str = "GET") -> dict[str, str]:
        """Query parameters that let whoever holds them use ``method`` on the image's file until ``expires``."""
        until = int(concurrency.time()) + self._ttl if expires is None else expires
        return {"expires": str(until), "signature": _digest(self._keyring.keys()[0], method, image_id, until)}

    def url(self, base: str, image_id: str, method: str = "GET") -> str:
        return f"{base.rstrip('/')}/v2/images/{image_id}/file?{urlencode(self.sign(image_id, method=method))}"

    def verify(self, image_id: str, expires: str, signature: str, method: str = "GET") -> None:
        """Raise Forbidden unless the signature is ours, for this image and method, and not over."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            raise errors.Forbidden("The signed URL is malformed.")
        given = signature.encode("utf-8", "replace")
        wanted = [_digest(key, method, image_id, int(expires)).encode() for key in self._keyring.keys()]
        matches = [hmac.compare_digest(given, digest) for digest in wanted]
        if not any(matches):
            raise errors.Forbidden("The signature of the URL does not match.")
        now = concurrency.time()
        if now > int(expires) or int(expires) > now + _LONGEST:
            raise errors.Forbidden("The signed URL has expired.")


def _digest(key: bytes, method: str, image_id: str, expires: int) -> str:
    text = f"nova-image-url\n{method}\n{image_id}\n{expires}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
