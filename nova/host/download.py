# SPDX-License-Identifier: Apache-2.0
"""Bytes from a URL into a file, resumed where a former attempt broke off."""

from __future__ import annotations

import http.client
import logging
import pathlib
import urllib.error
import urllib.parse
import urllib.request

from nova import concurrency, errors

LOG = logging.getLogger(__name__)

CHUNK = 1 << 20
ATTEMPTS = 5
#: Between two packets; how long the whole takes depends on the image.
SILENCE = 30.0


def fetch(url: str, path: pathlib.Path, *, silence: float = SILENCE, pause: float = 0.5) -> None:
    """Have all of ``url`` in ``path``, going on where the file ends. Broken connections are tried again."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise errors.HostFailure("Images are fetched over HTTP only.", retry=False)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch(url, path, silence)
            return
        except urllib.error.HTTPError as e:
            e.close()
            if e.code < 500:
                raise errors.HostFailure(f"The image cannot be fetched: {e.code} {e.reason}.",
                                         retry=e.code != 404) from e
            problem = f"{e.code} {e.reason}"
        except (OSError, http.client.HTTPException) as e:
            problem = str(e) or type(e).__name__
        LOG.warning("fetching %s broke off (attempt %d): %s", _public(url), attempt, problem)
        if attempt < ATTEMPTS:
            concurrency.sleep(pause * 2 ** (attempt - 1))
    raise errors.HostFailure(f"The image cannot be fetched: {problem}.", retry=True)


def _fetch(url: str, path: pathlib.Path, silence: float) -> None:
    have = path.stat().st_size if path.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=silence)  # noqa: S310 - fetch() has checked the scheme
    except urllib.error.HTTPError as e:
        if e.code == 416 and have:  # nothing is left to fetch, or the file is not what is there now: the checksum tells
            e.close()
            return
        raise
    with answer, open(path, "ab" if answer.status == 206 else "wb") as f:
        while chunk := answer.read(CHUNK):
            f.write(chunk)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)


def _public(url: str) -> str:
    """The URL without its signature, for logs."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
