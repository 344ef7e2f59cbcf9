# SPDX-License-Identifier: Apache-2.0
"""Byte ranges of RFC 9110, one per request: which part of a file is asked for. Pure."""

from __future__ import annotations

import re

from nova import errors

_RANGE = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})")


class Unsatisfiable(errors.NovaError):
    """The requested range does not lie within the image."""

    code = "range_not_satisfiable"
    http = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"The requested range does not lie within the image of {size} bytes, or is not a single one.")
        self.headers = {"Content-Range": f"bytes */{size}"}


def parse(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte that ``header`` asks for; None when it is of another unit and so to be ignored."""
    text = header.strip()
    if not text.lower().startswith("bytes"):
        return None
    found = _RANGE.fullmatch(text.lower())
    if not found or found.group(1) == found.group(2) == "":
        raise Unsatisfiable(size)
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        start, end = size - length, size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end or start >= size:
        raise Unsatisfiable(size)
    return start, end
