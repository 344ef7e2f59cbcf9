# SPDX-License-Identifier: Apache-2.0
"""Every method of a client reaches an endpoint that takes its arguments, and every endpoint has a client."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import nova
from nova import clients
from nova.context import RequestContext
from nova.rpc.endpoint import Endpoint, client_methods, endpoint_methods


class Recorded(Exception):
    """Ends a client's method as soon as it has spoken."""


class RecordingBus:
    name = "recording"

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def call(self, context: RequestContext, topic: str, method: str, **rest: Any) -> Any:
        self.asked.append({"topic": topic, "method": method, **rest})
        raise Recorded

    cast = call


def _modules(package: Any) -> Iterator[Any]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def client_classes() -> list[type[Any]]:
    """Whatever in nova.clients is made of a bus."""
    found = []
    for module in _modules(clients):
        for _, cls in inspect.getmembers(module, inspect.isclass):
            first = next(iter(list(inspect.signature(cls).parameters)[:1]), None)
            if cls.__module__ == module.__name__ and first == "bus":
                found.append(cls)
    return found


def endpoint_classes() -> list[type[Endpoint]]:
    for name in ("compute", "conductor", "network", "scheduler"):
        list(_modules(importlib.import_module(f"nova.{name}")))
    known: list[type[Endpoint]] = []
    pending = list(Endpoint.__subclasses__())
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        if cls.__module__.startswith(nova.__name__ + ".") and endpoint_methods(cls):
            known.append(cls)
    return known


def speak(cls: type[Any], name: str, signature: inspect.Signature) -> dict[str, Any]:
    """What the client says when its method is called with anything."""
    bus = RecordingBus()
    client = cls(bus)
    arguments = [_some(str(p.annotation)) for p in signature.parameters.values()
                 if p.kind is p.POSITIONAL_OR_KEYWORD]
    method = getattr(client, name)
    needs_context = "context" in inspect.signature(method).parameters
    with pytest.raises(Recorded):
        method(*([RequestContext()] if needs_context else []), *arguments)
    return bus.asked[0]


class _Anything:
    """Has every attribute, is empty, and can be read as text."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def _some(annotation: str) -> Any:
    plain: dict[str, Any] = {"dict": {}, "list": [], "str": "x", "int": 1, "float": 1.0, "bool": True}
    return plain.get(annotation.partition("[")[0].partition(" ")[0], _Anything())


def _calls() -> list[tuple[type[Any], str]]:
    return [(cls, name) for cls in client_classes() for name in client_methods(cls)]


@pytest.mark.parametrize(("cls", "name"), _calls(), ids=lambda value: getattr(value, "__name__", value))
def test_a_client_method_has_its_endpoint(cls: type[Any], name: str) -> None:
    function = getattr(cls, name)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    said = speak(cls, name, inspect.Signature([p for p in parameters if p.name != "context"]))
    served = [endpoint for endpoint in endpoint_classes()
              if endpoint.namespace == said.get("namespace") and said["method"] in endpoint_methods(endpoint)]
    assert len(served) == 1, f"{said} is served by {served}"
    endpoint_methods(served[0])[said["method"]].bind(**said["args"])


def test_every_endpoint_method_has_a_client() -> None:
    spoken = set()
    for cls, name in _calls():
        parameters = list(inspect.signature(getattr(cls, name)).parameters.values())[1:]
        said = speak(cls, name, inspect.Signature([p for p in parameters if p.name != "context"]))
        spoken.add((said.get("namespace"), said["method"]))
    served = {(endpoint.namespace, name) for endpoint in endpoint_classes() for name in endpoint_methods(endpoint)}
    assert served - spoken == set()
