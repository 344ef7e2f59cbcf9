# SPDX-License-Identifier: Apache-2.0
"""A small front with one route of each kind, and a way to call it without a socket."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from nova import errors
from nova.context import RequestContext
from nova.web.front import Front, FrontOptions
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.validation import query
from nova.web.versions import Microversions

THING = {"type": "object", "required": ["thing"], "additionalProperties": False, "properties": {"thing": {
    "type": "object", "required": ["name"], "additionalProperties": False,
    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 10}, "size": {"type": "integer"}}}}}
WIDER = {**THING, "additionalProperties": True}

ROUTES = (
    Route("GET", "/", "public", rule=None),
    Route("GET", "/things", "index", query=(
        ("2.1", "2.74", query({"limit": {"type": "string", "pattern": "^[0-9]*$"}})),
        ("2.75", None, query({"limit": {"type": "string"}}, strict=True)))),
    Route("POST", "/things", "create", rule="thing:create", success=201,
          body=(("2.1", "2.9", THING), ("2.10", None, WIDER))),
    Route("GET", "/things/{id}", "show"),
    Route("DELETE", "/things/{id}", "delete", success=204),
    Route("GET", "/things/special", "special"),
    Route("PUT", "/things/{id}", "old", versions=("2.1", "2.35")),
    Route("POST", "/things/{id}/action", "act", action="stop", success=202),
    Route("POST", "/things/{id}/action", "act", action="crash", success=202, versions=("2.17", None)),
    Route("GET", "/fail/{kind}", "fail"),
    Route("PUT", "/raw", "raw", raw=True, max_body=1 << 20),
    Route("GET", "/stream", "stream"),
)
FAILURES: dict[str, Callable[[], BaseException]] = {
    "invalid": lambda: errors.Invalid("no"), "forbidden": lambda: errors.Forbidden("no"),
    "quota": lambda: errors.OverQuota("no"), "missing": lambda: errors.NotFound("no"),
    "conflict": lambda: errors.Conflict("no"), "gone": lambda: errors.Gone("no"),
    "unsupported": lambda: errors.NotSupported("no"), "unprocessable": lambda: errors.Unprocessable("no"),
    "unavailable": lambda: errors.Unavailable("no", retry_after=7), "crash": lambda: ValueError("secret detail"),
    "internal": lambda: errors.NovaError("secret detail")}


class Things:
    def public(self, request: Request) -> dict[str, Any]:
        return {"who": request.context.user_id}

    def index(self, request: Request) -> dict[str, Any]:
        return {"things": [], "args": request.args, "version": str(request.version)}

    def create(self, request: Request) -> Any:
        return request.body_json

    def show(self, request: Request) -> dict[str, Any]:
        return {"id": request.match["id"], "links": request.links("things", request.match["id"])}

    def special(self, request: Request) -> dict[str, Any]:
        return {"special": True}

    def delete(self, request: Request) -> None:
        return None

    def old(self, request: Request) -> dict[str, Any]:
        return {"old": True}

    def act(self, request: Request) -> None:
        return None

    def fail(self, request: Request) -> None:
        raise FAILURES[request.match["kind"]]()

    def raw(self, request: Request) -> dict[str, Any]:
        return {"length": len(request.stream.read())}

    def stream(self, request: Request) -> Reply:
        return Reply(iter([b"one", b"two"]), content_type="text/plain", headers={"X-More": "yes"})


class Rules:
    """Lets ``admin`` do everything and others nothing that has a rule."""

    def authorize(self, who: RequestContext, rule: str, target: Any = None, /) -> None:
        if not who.is_admin:
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")


def authenticate(environ: dict[str, Any]) -> RequestContext:
    token = environ.get("HTTP_X_AUTH_TOKEN")
    if token not in ("admin", "user"):
        raise errors.Unauthorized()
    if environ.get("HTTP_X_ROLES"):
        raise AssertionError("identity headers from outside reached the authenticator")
    return RequestContext(user_id=token, project_id="p1", is_admin=token == "admin")


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)


Call = Callable[..., Answer]


def caller(app: Any) -> Call:
    def call(method: str, path: str, body: Any = None, *, token: str | None = "admin", version: str | None = None,
             raw: bytes | None = None, **environ: str) -> Answer:
        path, _, query_string = path.partition("?")
        data = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        asked: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query_string, "SCRIPT_NAME": "/cloud/v2.1",
            "SERVER_NAME": "cloud", "SERVER_PORT": "80", "HTTP_HOST": "cloud:80", "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data), "CONTENT_LENGTH": str(len(data)), "CONTENT_TYPE": "application/json"}
        if token:
            asked["HTTP_X_AUTH_TOKEN"] = token
        if version:
            asked["HTTP_OPENSTACK_API_VERSION"] = f"compute {version}"
        asked.update(environ)
        seen: list[Any] = []
        chunks = b"".join(app(asked, lambda status, headers, exc=None: seen.append((status, headers))))
        return Answer(int(seen[0][0][:3]), {k.lower(): v for k, v in seen[0][1]}, chunks)

    return call


def make_front(**options: Any) -> Front:
    versioning = Microversions.between("compute", "2.1", "2.104", "X-OpenStack-Nova-API-Version")
    return Front("test", [Resource(ROUTES, Things())], authenticator=authenticate, policy=Rules(),
                 versioning=versioning, options=FrontOptions(**options))


@pytest.fixture
def call() -> Call:
    return caller(make_front(strict_methods=False, project_in_url=True, id_header="x-compute-request-id",
                             max_body=2000, www_authenticate='Keystone uri="http://id"'))
