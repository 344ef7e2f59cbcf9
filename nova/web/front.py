# SPDX-License-Identifier: Apache-2.0
"""A WSGI application made of resources: from the request to the handler and back, the same for every API.

Request id → path → body limit → authentication → route → microversion → body → schemas → policy → handler → JSON.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson
import webob

from nova import concurrency, context, errors
from nova.web import bodies, faults, health, validation
from nova.web.idempotency import Idempotency
from nova.web.reply import REASONS, Answer, Reply
from nova.web.request import Request, parse_query
from nova.web.routing import ANYONE, Resource, Route, Router, in_range, version_range
from nova.web.versions import UNVERSIONED, Microversions, Version, VersionRefused

_REQUEST_ID = re.compile(r"^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_NOT_FOUND = "The resource could not be found."
#: What an authenticator in front of us would set; from outside it is a forgery.
_IDENTITY = tuple("HTTP_" + name for name in (
    "X_USER", "X_USER_ID", "X_USER_NAME", "X_TENANT", "X_TENANT_ID", "X_TENANT_NAME", "X_PROJECT_ID",
    "X_PROJECT_NAME",
    "X_ROLES", "X_ROLE", "X_IDENTITY_STATUS", "X_SERVICE_IDENTITY_STATUS", "X_SERVICE_ROLES", "X_SERVICE_USER_ID",
    "X_SERVICE_PROJECT_ID", "X_SERVICE_CATALOG", "X_DOMAIN_ID", "X_DOMAIN_NAME", "X_USER_DOMAIN_ID",
    "X_USER_DOMAIN_NAME", "X_PROJECT_DOMAIN_ID", "X_PROJECT_DOMAIN_NAME", "X_IS_ADMIN_PROJECT",
    "OPENSTACK_SYSTEM_SCOPE"))

Authenticator = Callable[[dict[str, Any]], context.RequestContext]


class PolicyChecker(Protocol):
    """Who decides whether a caller may do what a rule names."""

    def authorize(self, who: context.RequestContext, rule: str, target: Mapping[str, Any] | None = None, /) -> None:
        """Raise :class:`errors.Forbidden` unless allowed; the default target is the caller's own project."""


@dataclasses.dataclass(slots=True)
class _Compiled:
    """A route with its handler and schemas at hand."""

    route: Route
    handle: Callable[[Request], Any]
    body: validation.VersionedValidators
    query: validation.VersionedValidators
    versions: tuple[Version, Version | None] | None


@dataclasses.dataclass(slots=True)
class _Path:
    """All routes of one path, by method."""

    template: str
    methods: dict[str, list[_Compiled]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontOptions:
    """How one API differs from another.

    ``strict_methods``: 405 for a known path with another method (else 404, as the Compute API does).
    ``project_in_url``: paths may start with the caller's project. ``lenient``: unknown members of a body are dropped,
    as are blanks around names.
    ``id_header``: a second header that carries the request id. ``media_types``: accepted types of bodies.
    ``strict_slash``: nothing is at a path that ends with a slash, but for the root.
    """

    max_body: int = 114688
    strict_methods: bool = True
    project_in_url: bool = False
    strict_slash: bool = False
    lenient: bool = False
    id_header: str | None = None
    www_authenticate: str = "Keystone uri=\"\""
    media_types: frozenset[str] = frozenset({"application/json"})
    proxy_headers: bool = False


class Front:
    """One API as a WSGI application."""

    def __init__(self, name: str, resources: Sequence[Resource], *, authenticator: Authenticator | None,
                 policy: PolicyChecker | None, versioning: Microversions | None = None,
                 style: faults.FaultStyle | None = None, checks: health.Health | None = None,
                 options: FrontOptions | None = None, idempotency: Idempotency | None = None) -> None:
        self.name = name
        self.routes: list[Route] = [route for resource in resources for route in resource.routes]
        self._authenticator = authenticator
        self._policy = policy
        self._versioning = versioning
        self._style = style or faults.ComputeFaults()
        self._health = checks or health.Health()
        self._options = options or FrontOptions()
        self._idempotency = idempotency
        self._paths: dict[str, _Path] = {}
        for resource in resources:
            for route in resource.routes:
                self._add(route, resource.controller)
        self._router = Router[_Path](self._paths.items())

    def _add(self, route: Route, controller: Any) -> None:
        if route.rule not in (None, ANYONE) and self._policy is None:
            raise ValueError(f"{route.template}: a rule needs a policy")
        path = self._paths.setdefault(route.path, _Path(route.path))
        path.methods.setdefault(route.method, []).append(_Compiled(
            route, getattr(controller, route.handler), validation.VersionedValidators(route.body),
            validation.VersionedValidators(route.query, is_query=True), version_range(route.versions)))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        started = concurrency.monotonic()
        path = environ.get("PATH_INFO", "")
        if path in health.PATHS:
            answer, template = self._health.answer(path), path
        else:
            answer, template = self._respond(environ, path)
        method = environ["REQUEST_METHOD"]
        self._health.metrics.observe(self.name, method if method in _METHODS else "other", template, answer.status,
                                     concurrency.monotonic() - started)
        start_response(f"{answer.status} {REASONS.get(answer.status, 'Unknown')}", answer.headers)
        if method == "HEAD":
            _close(answer.chunks)
            return ()
        return answer.chunks

    def _respond(self, environ: dict[str, Any], raw_path: str) -> tuple[Answer, str]:
        for header in _IDENTITY:
            environ.pop(header, None)
        asked_id = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        request = Request(environ)
        request.request_id = environ["nova.request_id"] = context.new_request_id()
        environ["nova.global_request_id"] = asked_id if _REQUEST_ID.match(asked_id) else None
        if self._options.proxy_headers:
            _apply_proxy_headers(environ)
        template = "none"
        try:
            path = self._find(request, raw_path)
            if path is not None:
                template = path.template
            answer = self._serve(request, path)
        except Exception as e:
            answer = self._fault(e, environ, request.request_id, outer=isinstance(e, _OuterError))
        answer.headers.append(("x-openstack-request-id", request.request_id))
        if self._options.id_header:
            answer.headers.append((self._options.id_header, request.request_id))
        return answer, template

    def _fault(self, error: Exception, environ: dict[str, Any], request_id: str, *, outer: bool = False,
               extra: list[tuple[str, str]] | None = None) -> Answer:
        if isinstance(error, _OuterError):
            error = error.error
        extra = list(extra or ())
        extra += [(k, v) for k, v in getattr(error, "headers", {}).items()]
        if isinstance(error, errors.Unauthorized):
            extra.append(("WWW-Authenticate", self._options.www_authenticate))
        return faults.answer(faults.from_error(error, request_id, outer=outer), self._style, environ, extra)

    def _find(self, request: Request, raw_path: str) -> _Path | None:
        try:
            path = raw_path.encode("latin-1").decode("utf-8")
        except (UnicodeDecodeError, UnicodeEncodeError):
            return None
        if "\0" in path or (self._options.strict_slash and path.endswith("/") and path.strip("/")):
            return None
        found = self._router.match(path)
        if found is None and self._options.project_in_url:
            project, _, rest = path.strip("/").partition("/")
            found = self._router.match("/" + rest) if rest else None
            if found is not None:
                found[1]["project_id"] = project
                request.environ["nova.url_project"] = "/" + project
        if found is None:
            return None
        request.match = found[1]
        return found[0]

    def _serve(self, request: Request, path: _Path | None) -> Answer:
        environ = request.environ
        candidates = self._candidates(environ["REQUEST_METHOD"], path)
        _check_length(environ, candidates, self._options.max_body)
        if all(c.route.rule is None for c in candidates) if candidates else self._authenticator is None:
            request.context = context.RequestContext(request_id=request.request_id)
        else:
            self._authenticate(request)
        if path is None or not candidates:
            raise _no_route(path if self._options.strict_methods else None)
        extra: list[tuple[str, str]] = []
        try:
            request.version, extra = self._negotiate(environ)
            self._check_project(request)
            return self._run(request, candidates, extra)
        except Exception as e:
            if isinstance(e, VersionRefused) and self._versioning:
                extra = self._versioning.headers(e.version)
            return self._fault(e, environ, request.request_id, extra=extra)

    @staticmethod
    def _candidates(method: str, path: _Path | None) -> list[_Compiled]:
        if path is None:
            return []
        return path.methods.get(method) or (path.methods.get("GET", []) if method == "HEAD" else [])

    def _authenticate(self, request: Request) -> None:
        if self._authenticator is None:
            raise _OuterError(errors.Unauthorized())
        environ = request.environ
        try:
            request.context = self._authenticator(environ)
        except errors.Unauthorized as e:
            raise _OuterError(e) from e
        request.context.request_id = request.request_id
        request.context.global_request_id = environ["nova.global_request_id"]
        request.context.remote_address = environ.get("REMOTE_ADDR")

    def _negotiate(self, environ: dict[str, Any]) -> tuple[Version, list[tuple[str, str]]]:
        if self._versioning is None:
            return UNVERSIONED, []
        version = self._versioning.negotiate(environ)
        return version, self._versioning.headers(version)

    def _check_project(self, request: Request) -> None:
        project = request.match.get("project_id") if "nova.url_project" in request.environ else None
        if project is not None and request.context.user_id and project != request.context.project_id:
            raise errors.Invalid(f"Malformed request URL: URL's project_id '{project[:64]}' doesn't match "
                                 f"Context's project_id '{request.context.project_id}'")

    def _run(self, request: Request, candidates: list[_Compiled], extra: list[tuple[str, str]]) -> Answer:
        if not candidates[0].route.raw:
            request.body_json = self._read_json(request.environ)
        compiled = _choose(candidates, request)
        route = compiled.route
        self._validate(request, compiled)
        request._authorize = self._authorize
        if route.rule is not None and route.rule != ANYONE:
            self._authorize(request.context, route.rule, None)
        if self._idempotency is not None and self._idempotency.wants(request, route):
            answer = self._idempotency.serve(
                request, route, lambda: _to_answer(compiled.handle(request), route.success, []),
                lambda result: _to_answer(result, route.success, []),
                lambda error: self._fault(error, request.environ, request.request_id))
            answer.headers += extra
            return answer
        return _to_answer(compiled.handle(request), route.success, extra)

    def _validate(self, request: Request, compiled: _Compiled) -> None:
        args = parse_query(request.environ.get("QUERY_STRING", ""))
        query = compiled.query.at(request.version)
        request.args = query.clean_query(args) if query else args
        body = compiled.body.at(request.version)
        if body is not None:
            if self._options.lenient:
                request.body_json = validation.forgiven(body.schema, request.body_json)
            body.check(request.body_json)

    def _authorize(self, who: context.RequestContext, rule: str, target: Mapping[str, Any] | None) -> None:
        if self._policy is None:
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")
        self._policy.authorize(who, rule, target)

    def _read_json(self, environ: dict[str, Any]) -> Any:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD", "DELETE"):
            return None
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length) if length else b""
        if not raw:
            return None
        media = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if media and media not in self._options.media_types:
            raise errors.UnsupportedMediaType("Unsupported Content-Type")
        return bodies.parse(raw)


class _OuterError(Exception):
    """An error noticed before the application proper; some APIs word it differently."""

    def __init__(self, error: errors.NovaError) -> None:
        super().__init__(str(error))
        self.error = error


class MethodNotAllowed(errors.NovaError):
    """The method is not allowed for this resource."""

    code = "method_not_allowed"
    http = 405

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__()
        self.headers = {"Allow": ", ".join(sorted(allowed))}


def _no_route(path: _Path | None) -> _OuterError:
    return _OuterError(MethodNotAllowed(path.methods) if path is not None else errors.NotFound(_NOT_FOUND))


def _check_length(environ: dict[str, Any], candidates: list[_Compiled], default: int) -> None:
    text = environ.get("CONTENT_LENGTH") or "0"
    if not text.isdecimal():
        raise _OuterError(errors.Invalid("Content-Length is not a number"))
    limits = [c.route.max_body for c in candidates if c.route.max_body is not None]
    limit = max(limits, default=default)
    if int(text) > limit:
        raise _OuterError(errors.TooLarge(f"Request is too large. The limit is {limit} bytes."))


def _choose(candidates: list[_Compiled], request: Request) -> _Compiled:
    """The route meant: by the action that the body names, where the path has actions, and by microversion."""
    if candidates[0].route.action is not None:
        body = request.body_json
        if not isinstance(body, dict) or len(body) != 1:
            raise errors.Invalid("Malformed request body")
        action = next(iter(body))
        candidates = [c for c in candidates if c.route.action == action]
        if not candidates:
            raise errors.Invalid(f"There is no such action: {action[:100]}")
    for compiled in candidates:
        if in_range(compiled.versions, request.version):
            return compiled
    raise errors.NotFound(_NOT_FOUND)


def _to_answer(result: Any, status: int, extra: list[tuple[str, str]]) -> Answer:
    if isinstance(result, webob.Response):
        return Answer(result.status_int, [*result.headerlist, *extra], result.app_iter)
    headers = extra
    content_type = "application/json"
    length: int | None = None
    if isinstance(result, Reply):
        status = result.status or status
        headers = [*extra, *result.headers.items()]
        content_type, length, result = result.content_type, result.content_length, result.body
    if status == 204 or result is None:
        return Answer(status, headers if status in (204, 304) else [
            ("Content-Type", content_type), ("Content-Length", "0"), *headers], ())
    if isinstance(result, (dict, list)):
        result = orjson.dumps(result)
    elif isinstance(result, str):
        result = result.encode()
    if isinstance(result, bytes):
        length, result = len(result), (result,)
    if length is not None:
        headers = [("Content-Length", str(length)), *headers]
    return Answer(status, [("Content-Type", content_type), *headers], result)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _close(chunks: Iterable[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _apply_proxy_headers(environ: dict[str, Any]) -> None:
    """Believe what a trusted proxy says about the address the client used."""
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").split(",")[0].strip()
    host = environ.get("HTTP_X_FORWARDED_HOST", "").split(",")[0].strip()
    prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "").split(",")[0].strip()
    if scheme in ("http", "https"):
        environ["wsgi.url_scheme"] = scheme
    if host:
        environ["HTTP_HOST"] = host
    if prefix:
        environ["SCRIPT_NAME"] = prefix.rstrip("/") + environ.get("SCRIPT_NAME", "")
