# SPDX-License-Identifier: Apache-2.0
"""Signed URLs at the door: a request for one image's bytes that carries our signature needs no token."""

from __future__ import annotations

import re
from typing import Any

from nova import context, errors
from nova.images.signing import UrlSigner
from nova.web.front import Authenticator
from nova.web.request import parse_query

#: In the environment of a request that its signature let in.
SIGNED = "nova.image.signed"
_FILE = re.compile(r"/v2/images/([0-9a-f-]{36})/file/?")


class SignedUrls:
    """An authenticator that asks ``inner`` for all requests but signed ones, whose caller acts as a service."""

    def __init__(self, inner: Authenticator | None, signer: UrlSigner) -> None:
        self._inner = inner
        self._signer = signer

    def __call__(self, environ: dict[str, Any]) -> context.RequestContext:
        found = _FILE.fullmatch(environ.get("PATH_INFO", ""))
        if found and "signature=" in environ.get("QUERY_STRING", "") and "HTTP_X_AUTH_TOKEN" not in environ:
            args = parse_query(environ["QUERY_STRING"])
            method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
            self._signer.verify(found.group(1), args.get("expires", [""])[-1], args.get("signature", [""])[-1], method)
            environ[SIGNED] = True
            return context.service_context()
        environ.pop(SIGNED, None)
        if self._inner is None:
            raise errors.Unauthorized()
        return self._inner(environ)
