# SPDX-License-Identifier: Apache-2.0
"""What becomes of arguments and results, and how requests find their method."""

from __future__ import annotations

import enum
import inspect
from typing import Any

import pytest

from nova import errors
from nova.context import RequestContext
from nova.objects.instance import Instance
from nova.objects.service import Service
from nova.rpc.endpoint import Endpoint, Table, client_methods, endpoint_methods
from nova.rpc.messages import crossing, raised
from nova.rpc.serializer import Serializer, dumps, loads


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(("value", "arrives"), [
    (None, None), (True, True), (1, 1), (1.5, 1.5), ("ü", "ü"), ([1, [2]], [1, [2]]), ((1, 2), [1, 2]),
    ({"a": {"b": None}}, {"a": {"b": None}}), (Colour.RED, "red")])
def test_json_crosses(value: Any, arrives: Any) -> None:
    assert loads(dumps(value)) == arrives


@pytest.mark.parametrize("value", [{1: 2}, {None: 1}, {1, 2}, b"x", object(), RequestContext(), 1j, range(3),
                                   Service(uuid="x"), [Service(uuid="x")], "\ud800"])
def test_nothing_else_does(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


def test_arguments_say_which_of_them_are_objects() -> None:
    serializer, context = Serializer(), RequestContext()
    service = Service.new(uuid="s1", host="h1", binary="b", topic="t")
    args = {"one": service, "many": [service], "none": [], "plain": {"nova_object.name": "Service"}}
    plain, kinds = serializer.plain_args(args)
    assert kinds == {"one": "object", "many": "objects"}
    real = serializer.real_args(loads(dumps(plain)), kinds, context)
    assert real["one"].as_dict() == service.as_dict() and real["one"]._context is context
    assert [type(x) for x in real["many"]] == [Service]
    assert real["none"] == [] and real["plain"] == {"nova_object.name": "Service"}


@pytest.mark.parametrize("value", [7, None, [], {}, {"nova_object.name": "Service"},
                                   {"nova_object.name": "Unknown", "nova_object.namespace": "nova",
                                    "nova_object.version": "1.0", "nova_object.data": {}},
                                   {"nova_object.name": "Service", "nova_object.namespace": "other",
                                    "nova_object.version": "1.0", "nova_object.data": {}},
                                   {"nova_object.name": "Instance", "nova_object.namespace": "nova",
                                    "nova_object.version": "1.0", "nova_object.data": {"power_state": "x"}},
                                   {"nova_object.name": "Instance", "nova_object.namespace": "nova",
                                    "nova_object.version": "1.0", "nova_object.data": 7}])
def test_what_claims_to_be_an_object_and_is_none_is_invalid(value: Any) -> None:
    with pytest.raises(errors.Invalid):
        Serializer().real(value, "object", None)


def test_a_wrong_type_inside_an_object_does_not_pass() -> None:
    primitive = Instance(uuid="u1", vcpus=1).obj_to_primitive()
    primitive["nova_object.data"]["vcpus"] = None
    with pytest.raises(errors.Invalid):
        Serializer().real(primitive, "object", None)


def test_details_that_are_no_json_cross_as_text() -> None:
    data = crossing(errors.Conflict("no", what=Colour, when={1: 2}))
    assert loads(dumps(data)) == data
    error = raised(data)
    assert type(error) is errors.Conflict and error.details["when"] == {"1": 2}


def test_a_code_that_is_not_known_here_is_a_plain_error() -> None:
    error = raised({"code": "from_the_future", "message": "m"})
    assert type(error) is errors.NovaError and error.message == "m"


def test_what_may_not_cross_says_nothing() -> None:
    assert "password" not in dumps(crossing(errors.ConfigError("the password is x")))


class First(Endpoint):
    version = "1.2"

    def go(self, context: RequestContext, a: int, b: int = 0) -> None: ...

    def _private(self) -> None: ...


class Second(Endpoint):
    version = "2.0"

    def go(self, context: RequestContext, c: int) -> None: ...


class Client:
    def __init__(self, bus: object) -> None: ...

    def go(self, context: RequestContext, a: int, b: int = 0) -> None: ...


def test_methods_are_found_by_major_and_minor_version() -> None:
    first, second = First(), Second()
    table = Table([first, second])
    assert table.find(None, "go", "1.0") == table.find(None, "go", "1.2") == first.go
    assert table.find(None, "go", "2.0") == second.go
    for version in ("1.3", "2.1", "3.0"):
        with pytest.raises(errors.NotSupported):
            table.find(None, "go", version)


def test_two_endpoints_for_the_same_method_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="go"):
        Table([First(), First()])


def test_clients_and_endpoints_can_be_compared() -> None:
    assert list(endpoint_methods(First)) == list(endpoint_methods(First())) == ["go"]
    assert endpoint_methods(First)["go"].parameters == client_methods(Client)["go"].parameters
    assert list(client_methods(Client)["go"].parameters) == ["a", "b"]
    assert all(isinstance(s, inspect.Signature) for s in client_methods(Client).values())
