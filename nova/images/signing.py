# SPDX-License-Identifier: Apache-2.0
"""Short-lived signed URLs for image bytes, so that a host fetches them without a token."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode

from nova import concurrency, errors
from nova.host.keyring import Keyring as Keyring

_LONGEST = 7 * 86400


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
