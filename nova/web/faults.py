# SPDX-License-Identifier: Apache-2.0
"""The one place where errors become HTTP answers. Each API has its own fault body; a style knows one of them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from nova import errors
from nova.web.reply import REASONS, Answer

LOG = logging.getLogger(__name__)
JSON_UTF8 = "application/json; charset=UTF-8"
UNEXPECTED = "The service failed in a way it did not expect. Quote the request id when you report this."


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, ready to be shown. ``outer``: noticed before the application proper (no such path, no token)."""

    status: int
    message: str
    request_id: str
    outer: bool = False
    code: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def title(self) -> str:
        return REASONS.get(self.status, "Error")


class FaultStyle(Protocol):
    """How one API words its faults."""

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        """Content type and body."""


class ComputeFaults:
    """``{"itemNotFound": {"code": 404, "message": …}}``; outside the application the plain form of its middleware."""

    NAMES = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
             409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
             503: "serviceUnavailable"}

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        body: dict[str, Any]
        if fault.outer and fault.status == 401:
            return "application/json", orjson.dumps(
                {"error": {"code": 401, "title": fault.title, "message": fault.message}})
        if fault.outer:
            return "application/json", orjson.dumps(
                {"message": f"{fault.message}<br /><br />\n\n\n", "code": f"{fault.status} {fault.title}",
                 "title": fault.title})
        body = {"code": fault.status, "message": fault.message}
        if "retry_after" in fault.details and fault.status in (413, 429):
            body["retryAfter"] = str(fault.details["retry_after"])
        return JSON_UTF8, orjson.dumps({self.NAMES.get(fault.status, "computeFault"): body})


class IdentityFaults:
    """``{"error": {"code", "message", "title"}}``."""

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        return "application/json", orjson.dumps(
            {"error": {"code": fault.status, "message": fault.message, "title": fault.title}})


class ImageFaults:
    """HTML for whoever does not ask for JSON, as the image service of old; JSON of one level otherwise."""

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        if "json" in environ.get("HTTP_ACCEPT", ""):
            return JSON_UTF8, orjson.dumps(
                {"message": fault.message, "code": f"{fault.status} {fault.title}", "title": fault.title})
        import html

        head = f"{fault.status} {fault.title}"
        text = (f"<html>\n <head>\n  <title>{head}</title>\n </head>\n <body>\n  <h1>{head}</h1>\n"
                f"  {html.escape(fault.message)}<br /><br />\n\n\n </body>\n</html>")
        return "text/html; charset=UTF-8", text.encode()


class PlacementFaults:
    """``{"errors": [{"status", "title", "detail", "code", "request_id"}]}``."""

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        entry: dict[str, Any] = {"status": fault.status, "title": fault.title, "detail": fault.message,
                                 "code": str(fault.details.get("placement_code", "placement.undefined_code")),
                                 "request_id": fault.request_id}
        for key in ("min_version", "max_version"):
            if key in fault.details:
                entry[key] = fault.details[key]
        return "application/json", orjson.dumps({"errors": [entry]})


def from_error(error: BaseException, request_id: str, *, outer: bool = False) -> Fault:
    """The fault of any exception. What is not an error of ours becomes a 500 that tells nothing and is logged."""
    if isinstance(error, errors.NovaError) and error.http != 500:
        return Fault(error.http, error.message, request_id, outer, error.code, error.details)
    LOG.error("Unexpected error in request %s", request_id, exc_info=error)
    return Fault(500, UNEXPECTED, request_id, False, "internal")


def answer(fault: Fault, style: FaultStyle, environ: Mapping[str, Any],
           extra: list[tuple[str, str]] | None = None) -> Answer:
    """The fault as an answer, with Retry-After where it helps."""
    content_type, body = style.render(fault, environ)
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), *(extra or ())]
    if "retry_after" in fault.details:
        headers.append(("Retry-After", str(fault.details["retry_after"])))
    return Answer(fault.status, headers, [body])
