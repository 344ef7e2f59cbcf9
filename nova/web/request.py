# SPDX-License-Identifier: Apache-2.0
"""A request as a handler sees it: who asks, which version, checked body and query, and how to write links."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

import webob

from nova import errors
from nova.context import RequestContext
from nova.web.versions import UNVERSIONED, Version

T = TypeVar("T")
Authorize = Callable[[RequestContext, str, Mapping[str, Any] | None], None]


class Request(webob.BaseRequest):  # type: ignore[misc]  # webob ships no types
    """A webob request with what the front found out about it."""

    context: RequestContext
    match: dict[str, str]
    version: Version
    #: The checked JSON body; None when there was none.
    body_json: Any
    #: The checked query: every parameter with all its values.
    args: dict[str, list[str]]
    request_id: str
    #: Who is told what the answer will be, when someone has to know it before the transaction ends.
    on_promise: Callable[[Any], None] | None
    #: What this request noted (see :meth:`note`) when it was asked for the first time and did not get to its answer.
    noted: Any
    on_note: Callable[[Any], None] | None
    _authorize: Authorize
    _links: tuple[str, str] | None

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self.match = {}
        self.version = UNVERSIONED
        self.body_json = None
        self.args = {}
        self._links = None
        self.on_promise = None
        self.noted = None
        self.on_note = None

    def promise(self, result: T) -> T:
        """``result`` is what this handler will return once the transaction that it is in has been committed. To be
        called within the transaction that accepts; it lets a request with an Idempotency-Key survive a crash after
        that."""
        if self.on_promise is not None:
            self.on_promise(result)
        return result

    def note(self, how: T) -> T:
        """For a handler that has more to do once it has accepted: what it needs to go on from there, as JSON. To be
        called before the transaction that accepts ends. When the same request, by its Idempotency-Key, comes again
        because the process died, the handler finds it in ``noted``."""
        if self.on_note is not None:
            self.on_note(how)
        return how

    def arg(self, name: str, default: str | None = None) -> str | None:
        """The last value of a query parameter."""
        values = self.args.get(name)
        return values[-1] if values else default

    @property
    def stream(self) -> Any:
        """The body as a file, for routes that take it raw."""
        return self.environ["wsgi.input"]

    def authorize(self, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """Raise :class:`errors.Forbidden` unless the caller may do ``rule`` to ``target`` (default: own project)."""
        self._authorize(self.context, rule, target)

    def allowed(self, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        try:
            self._authorize(self.context, rule, target)
        except errors.Forbidden:
            return False
        return True

    @property
    def base_url(self) -> str:
        """Where this front is mounted as the client sees it, without a slash at the end."""
        return self._bases()[0]

    @property
    def root_url(self) -> str:
        """The mount point without its last part, the API version: what ``bookmark`` links start with."""
        return self._bases()[1]

    def _bases(self) -> tuple[str, str]:
        if self._links is None:
            environ = self.environ
            host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
            origin = environ.get("nova.public_origin") or f"{environ['wsgi.url_scheme']}://{host}"
            mount = quote(environ.get("SCRIPT_NAME", ""))
            project = environ.get("nova.url_project", "")
            root = mount.rpartition("/")[0]
            self._links = (origin + mount + project, origin + root + project)
        return self._links

    def link(self, path: str) -> str:
        """The absolute URL of a path of this front."""
        return f"{self.base_url}/{path.lstrip('/')}"

    def links(self, collection: str, id: str) -> list[dict[str, str]]:
        """The ``self`` and ``bookmark`` links of a member."""
        here, root = self._bases()
        return [{"rel": "self", "href": f"{here}/{collection}/{id}"},
                {"rel": "bookmark", "href": f"{root}/{collection}/{id}"}]


def parse_query(query_string: str) -> dict[str, list[str]]:
    """A query string as lists of values. Raises :class:`errors.Invalid` when it is not text or has too many fields."""
    if not query_string:
        return {}
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, errors="strict", max_num_fields=500)
    except ValueError as e:
        raise errors.Invalid("The query string is malformed") from e
    args: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise errors.Invalid("The query string is malformed: the NUL character is not allowed")
        args.setdefault(name, []).append(value)
    return args
