# SPDX-License-Identifier: Apache-2.0
"""What a server offers and a client may call. An endpoint is small: one noun or one workflow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from nova import errors


class Endpoint:
    """Its public methods, ``(self, context, **kwargs)``, can be called over the bus.

    ``version`` is the newest that it speaks: it serves every request of the same major and at most that minor version.
    """

    namespace: ClassVar[str | None] = None
    version: ClassVar[str] = "1.0"


def _public(cls: type[Any], base: type[Any]) -> dict[str, Callable[..., Any]]:
    members = inspect.getmembers(cls, inspect.isfunction)
    return {n: f for n, f in members if not n.startswith("_") and not hasattr(base, n)}


def endpoint_methods(endpoint: Endpoint | type[Endpoint]) -> dict[str, inspect.Signature]:
    """The methods that an endpoint serves, with their arguments (context left out)."""
    cls = endpoint if isinstance(endpoint, type) else type(endpoint)
    return {n: _without(inspect.signature(f), 2) for n, f in _public(cls, Endpoint).items()}


def client_methods(client: type[Any]) -> dict[str, inspect.Signature]:
    """The calls of a client class, with their arguments (self and context left out)."""
    return {n: _without(inspect.signature(f), 2) for n, f in _public(client, object).items()}


def _without(signature: inspect.Signature, count: int) -> inspect.Signature:
    return signature.replace(parameters=list(signature.parameters.values())[count:])


def parse_version(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


class Table:
    """Finds the method that serves a request."""

    def __init__(self, endpoints: Sequence[Endpoint] | Iterable[Endpoint]) -> None:
        self._methods: dict[tuple[str | None, str], list[tuple[tuple[int, int], Callable[..., Any]]]] = {}
        for endpoint in endpoints:
            offered = parse_version(endpoint.version)
            for name in endpoint_methods(endpoint):
                served = self._methods.setdefault((endpoint.namespace, name), [])
                if any(v[0] == offered[0] for v, _ in served):
                    raise ValueError(f"two endpoints serve {endpoint.namespace}.{name} {offered[0]}.x")
                served.append((offered, getattr(endpoint, name)))

    def find(self, namespace: str | None, name: str, version: str) -> Callable[..., Any]:
        """Raises NotSupported when nothing here serves that version of the method."""
        wanted = parse_version(version)
        for offered, method in self._methods.get((namespace, name), ()):
            if offered[0] == wanted[0] and offered >= wanted:
                return method
        raise errors.NotSupported(f"This service does not offer {namespace or 'default'}.{name} in version {version}")
