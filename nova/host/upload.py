# SPDX-License-Identifier: Apache-2.0
"""Bytes of a file to a URL, anew where a former attempt broke off."""

from __future__ import annotations

import contextlib
import http.client
import logging
import pathlib
import urllib.parse
from collections.abc import Iterator
from typing import BinaryIO

from nova import concurrency, errors

LOG = logging.getLogger(__name__)

CHUNK = 1 << 20
ATTEMPTS = 5
#: Between two packets, and until the answer: the receiver inspects what it got before it says yes.
SILENCE = 120.0
_TOO_LARGE = 413


def send(url: str, path: pathlib.Path, *, silence: float = SILENCE, pause: float = 0.5) -> None:
    """Have all of ``path`` at ``url``. Broken connections are tried again, from the beginning; a receiver that does not
    want it is :class:`errors.HostFailure` with its reason."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            status, reason = _send(url, path, silence)
        except (OSError, http.client.HTTPException) as e:
            status, reason = 0, str(e) or type(e).__name__
        if 200 <= status < 300:
            return
        if 400 <= status < 500:
            told = "it is too large for the image store" if status == _TOO_LARGE else f"{status} {reason}"
            raise errors.HostFailure(f"The image store does not take the image: {told}.", retry=False)
        LOG.warning("sending an image broke off (attempt %d): %s %s", attempt, status or "", reason)
        if attempt < ATTEMPTS:
            concurrency.sleep(pause * 2 ** (attempt - 1))
    raise errors.HostFailure(f"The image store cannot be reached: {reason}.", retry=True)


def _send(url: str, path: pathlib.Path, silence: float) -> tuple[int, str]:
    """Status and reason of the answer."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.HostFailure("Images are sent over HTTP only.", retry=False)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=silence)
    with contextlib.closing(connection), open(path, "rb") as file:
        size = path.stat().st_size
        connection.putrequest("PUT", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        try:
            for chunk in _chunks(file):
                connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            LOG.debug("the receiver stopped listening; it may have said why")
        answer = connection.getresponse()
        answer.read(CHUNK)
        return answer.status, answer.reason


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
