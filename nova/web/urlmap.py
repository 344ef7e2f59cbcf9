# SPDX-License-Identifier: Apache-2.0
"""Several WSGI applications on one port, by path prefix: /identity, /compute, /image …"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nova.web import health as health_module
from nova.web.faults import ComputeFaults, Fault, FaultStyle, answer
from nova.web.reply import REASONS

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class URLMap:
    """Passes a request to the application mounted at the longest prefix of its path; health paths are its own."""

    def __init__(self, apps: Mapping[str, WSGIApp], health: health_module.Health | None = None,
                 faults: FaultStyle | None = None) -> None:
        mounts = {"/" + prefix.strip("/") if prefix.strip("/") else "": app for prefix, app in apps.items()}
        self._mounts = sorted(mounts.items(), key=lambda item: -len(item[0]))
        self._health = health
        self._faults = faults or ComputeFaults()

    @property
    def mounts(self) -> list[tuple[str, WSGIApp]]:
        """What is mounted where, the longest prefix first; documentation reads it."""
        return list(self._mounts)

    def again(self, place: str, path: str) -> WSGIApp:
        """An application that answers as ``path`` of this one, links included; this is mounted at ``place``."""
        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ["SCRIPT_NAME"] = environ["SCRIPT_NAME"].removesuffix(path) + place
            environ["PATH_INFO"] = path + environ["PATH_INFO"]
            return self(environ, start_response)

        return application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if self._health is not None and path in health_module.PATHS:
            found = self._health.answer(path)
        else:
            for prefix, app in self._mounts:
                if path.startswith(prefix) and path[len(prefix):len(prefix) + 1] in ("", "/"):
                    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                    environ["PATH_INFO"] = path[len(prefix):]
                    return app(environ, start_response)
            found = answer(Fault(404, "The resource could not be found.", "", outer=True), self._faults, environ)
        start_response(f"{found.status} {REASONS[found.status]}", found.headers)
        return found.chunks
