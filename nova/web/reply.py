# SPDX-License-Identifier: Apache-2.0
"""What a handler may return when a plain dict is not enough: another status, headers, bytes or a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any


@dataclasses.dataclass(slots=True)
class Reply:
    """``body``: dict or list (sent as JSON), bytes, str, an iterable of bytes (streamed), or None."""

    body: Any = None
    status: int | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    content_type: str = "application/json"
    content_length: int | None = None


@dataclasses.dataclass(slots=True)
class Answer:
    """A reply as WSGI wants it."""

    status: int
    headers: list[tuple[str, str]]
    chunks: Iterable[bytes]


REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
    206: "Partial Content", 207: "Multi-Status", 300: "Multiple Choices", 302: "Found", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
    413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
    422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable",
}
