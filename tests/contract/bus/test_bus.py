# SPDX-License-Identifier: Apache-2.0
"""What every bus promises: calls, casts, fanout, errors, time-outs, isolation, and an end when told."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from nova import concurrency, errors
from nova.context import RequestContext
from nova.objects.base import NovaObject
from nova.objects.operation import Operation
from nova.objects.service import Service
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import current_sender
from tests.contract.bus.conftest import Kit


class Desk(Endpoint):
    """Answers, and writes down what it was told."""

    version = "1.3"

    def __init__(self) -> None:
        self.told: Any = concurrency.Queue()
        self.entered, self.go_on = concurrency.Event(), concurrency.Event()

    def echo(self, context: RequestContext, value: Any) -> Any:
        return value

    def whoami(self, context: RequestContext) -> dict[str, Any]:
        return context.to_dict()

    def sender(self, context: RequestContext) -> dict[str, Any]:
        sender = current_sender()
        assert sender is not None
        return dataclasses.asdict(sender)

    def keywords(self, context: RequestContext, method: str, topic: str, args: list[int], timeout: int) -> list[Any]:
        return [method, topic, args, timeout]

    def tell(self, context: RequestContext, word: Any) -> None:
        self.told.put(word)

    def fail(self, context: RequestContext, code: str) -> None:
        raise errors.CROSSING[code](f"failed with {code}", number=7, names=["a", "b"])

    def crash(self, context: RequestContext) -> None:
        raise ZeroDivisionError("a secret of the server")

    def wait(self, context: RequestContext) -> str:
        self.entered.set()
        assert self.go_on.wait(120)
        return "went on"

    def store_answer(self, context: RequestContext) -> Any:
        return context.store.answer(context.request_id)

    def _hidden(self, context: RequestContext) -> str:
        return "not for you"


class Other(Endpoint):
    namespace = "other"

    def echo(self, context: RequestContext, value: Any) -> Any:
        return {"other": value}


@pytest.fixture
def context() -> RequestContext:
    return RequestContext(user_id="u1", project_id="p1", roles=("member", "reader"), request_id="req-1")


def test_a_call_returns_what_the_endpoint_returned(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    value = {"text": "äöü \U0001f600", "list": [1, 2.5, None, True], "nested": {"a": {"b": []}}, "big": 2**53}
    assert bus.call(context, "conductor", "echo", args={"value": value}) == value
    assert bus.call(context, "conductor", "echo", server="c1", args={"value": None}) is None


def test_the_context_arrives_without_its_store(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    arrived = bus.call(context.with_store(object()), "conductor", "whoami", args={})
    assert RequestContext.from_dict(arrived) == context
    assert "store" not in arrived


def test_the_endpoint_knows_the_verified_sender(kit: Kit, context: RequestContext) -> None:
    kit.serve(kit.bus(), Desk())
    sender = kit.bus(service="compute", host="h7").call(context, "conductor", "sender", args={})
    assert (sender["service"], sender["host"]) == ("compute", "h7")
    assert current_sender() is None


def test_arguments_may_have_any_name(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    args = {"method": "m", "topic": "t", "args": [1], "timeout": 3}
    assert bus.call(context, "conductor", "keywords", args=args) == ["m", "t", [1], 3]


def test_objects_arrive_as_objects(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    service = Service.new(uuid="s1", host="h1", binary="nova-compute", topic="compute", last_seen=1.5)
    arrived = bus.call(context, "conductor", "echo", args={"value": service})
    assert isinstance(arrived, Service)
    assert arrived.as_dict() == service.as_dict()
    assert not arrived.obj_what_changed()
    many = bus.call(context, "conductor", "echo", args={"value": [service, service]})
    assert [type(m) for m in many] == [Service, Service]


def test_user_data_never_becomes_an_object(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    trap = Service.new(uuid="s1", host="h1", binary="b", topic="t").obj_to_primitive()
    assert bus.call(context, "conductor", "echo", args={"value": trap}) == trap


def test_a_cast_is_delivered(kit: Kit, context: RequestContext) -> None:
    bus, desk = kit.bus(), Desk()
    kit.serve(bus, desk)
    bus.cast(context, "conductor", "tell", args={"word": "first"})
    bus.cast(context, "conductor", "tell", server="c1", args={"word": "second"})
    assert {desk.told.get(timeout=120), desk.told.get(timeout=120)} == {"first", "second"}


def test_a_cast_to_a_server_that_listened_before_waits_for_it(kit: Kit, context: RequestContext) -> None:
    bus, first, second = kit.bus(), Desk(), Desk()
    server = kit.serve(bus, first)
    server.stop()
    server.wait()
    bus.cast(context, "conductor", "tell", server="c1", args={"word": "kept"})
    kit.serve(bus, second)
    assert second.told.get(timeout=120) == "kept"
    assert first.told.qsize() == 0


def test_fanout_reaches_every_server_of_the_topic(kit: Kit, context: RequestContext) -> None:
    one, two, other = Desk(), Desk(), Desk()
    kit.serve(kit.bus(), one, server="c1")
    kit.serve(kit.bus(host="c2"), two, server="c2")
    kit.serve(kit.bus(host="c3"), other, topic="scheduler", server="c3")
    kit.bus().cast(context, "conductor", "tell", fanout=True, args={"word": "all"})
    assert one.told.get(timeout=120) == two.told.get(timeout=120) == "all"
    assert other.told.qsize() == 0


def test_a_server_name_reaches_that_server_only(kit: Kit, context: RequestContext) -> None:
    one, two = Desk(), Desk()
    kit.serve(kit.bus(), one, server="c1")
    kit.serve(kit.bus(host="c2"), two, server="c2")
    bus = kit.bus()
    for number in range(6):
        bus.cast(context, "conductor", "tell", server="c2", args={"word": number})
    assert sorted(two.told.get(timeout=120) for _ in range(6)) == list(range(6))
    assert one.told.qsize() == 0


def test_servers_of_a_topic_share_its_calls(kit: Kit, context: RequestContext) -> None:
    kit.serve(kit.bus(host="c1"), Named("c1"), server="c1")
    kit.serve(kit.bus(host="c2"), Named("c2"), server="c2")
    bus = kit.bus()
    assert {bus.call(context, "conductor", "name", args={}) for _ in range(30)} == {"c1", "c2"}


class Named(Endpoint):
    def __init__(self, own: str) -> None:
        self._own = own

    def name(self, context: RequestContext) -> str:
        return self._own


@pytest.mark.parametrize("code", sorted(errors.CROSSING))
def test_errors_cross_by_their_code(kit: Kit, context: RequestContext, code: str) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    with pytest.raises(errors.NovaError) as caught:
        bus.call(context, "conductor", "fail", args={"code": code})
    assert type(caught.value) is errors.CROSSING[code]
    assert caught.value.message == f"failed with {code}"
    assert caught.value.details == {"number": 7, "names": ["a", "b"]}


def test_other_errors_say_nothing_of_the_server(kit: Kit, context: RequestContext,
                                                caplog: pytest.LogCaptureFixture) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    with pytest.raises(errors.NovaError) as caught:
        bus.call(context, "conductor", "crash", args={})
    assert type(caught.value) is errors.NovaError
    assert "secret" not in str(caught.value) and caught.value.details == {}
    assert "a secret of the server" in caplog.text


@pytest.mark.parametrize(("namespace", "method", "version"), [
    (None, "nothing", "1.0"), (None, "_hidden", "1.0"), (None, "echo", "1.4"), (None, "echo", "2.0"),
    ("other", "whoami", "1.0"), ("strange", "echo", "1.0"), (None, "told", "1.0"), (None, "__init__", "1.0")])
def test_what_is_not_offered_is_refused(kit: Kit, context: RequestContext, namespace: str | None, method: str,
                                        version: str) -> None:
    bus = kit.bus()
    server = bus.serve("conductor", "c1", [Desk(), Other()])
    server.start()
    try:
        with pytest.raises(errors.NotSupported):
            bus.call(context, "conductor", method, namespace=namespace, version=version, args={"value": 1})
        assert bus.call(context, "conductor", "echo", version="1.3", args={"value": 1}) == 1
        assert bus.call(context, "conductor", "echo", namespace="other", args={"value": 1}) == {"other": 1}
    finally:
        server.stop()
        server.wait()


@dataclasses.dataclass
class Thing:
    value: int


@pytest.mark.parametrize("value", [
    object(), {1, 2}, b"bytes", Thing(1), datetime.datetime(2026, 1, 1), {1: "key"}, 2**70, lambda: None,
    {"deep": [object()]}], ids=lambda v: type(v).__name__)
def test_what_is_not_json_is_refused_at_the_sender(kit: Kit, context: RequestContext, value: Any) -> None:
    bus, desk = kit.bus(), Desk()
    kit.serve(bus, desk)
    with pytest.raises(TypeError):
        bus.call(context, "conductor", "echo", args={"value": value})
    with pytest.raises(TypeError):
        bus.cast(context, "conductor", "tell", args={"word": value})
    assert desk.told.qsize() == 0


def test_nested_objects_are_refused_outside_of_objects(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    hidden: dict[str, NovaObject] = {"operation": Operation(uuid="o1")}
    with pytest.raises(TypeError):
        bus.cast(context, "conductor", "tell", args={"word": hidden})


def test_a_result_that_is_not_json_is_an_error_of_the_server(kit: Kit, context: RequestContext) -> None:
    class Bad(Endpoint):
        def bad(self, context: RequestContext) -> Any:
            return {1, 2}

    bus = kit.bus()
    kit.serve(bus, Bad())
    with pytest.raises(errors.NovaError) as caught:
        bus.call(context, "conductor", "bad", args={})
    assert type(caught.value) is errors.NovaError


def test_a_call_that_nobody_answers_ends_in_time(kit: Kit, context: RequestContext) -> None:
    bus, desk = kit.bus(), Desk()
    kit.serve(bus, desk)
    with pytest.raises(errors.Unavailable):
        bus.call(context, "nobody", "echo", timeout=1, args={"value": 1})
    with pytest.raises(errors.Unavailable):
        bus.call(context, "conductor", "wait", timeout=1, args={})
    desk.go_on.set()
    assert bus.call(context, "conductor", "echo", args={"value": "later"}) == "later"


def test_many_calls_at_once_get_their_own_answers(kit: Kit, context: RequestContext) -> None:
    bus = kit.bus()
    kit.serve(bus, Desk())
    wrong: list[Any] = []

    def client(number: int) -> None:
        for n in range(10):
            value = [number, n]
            got = bus.call(context, "conductor", "echo", args={"value": value})
            if got != value:
                wrong.append((value, got))

    tasks = [concurrency.spawn(client, n) for n in range(20)]
    assert all([t.join(120) for t in tasks])
    assert wrong == []


def test_calls_run_at_the_same_time(kit: Kit, context: RequestContext) -> None:
    bus, desk = kit.bus(), Desk()
    kit.serve(bus, desk)
    answers: list[str] = []
    waiting = [concurrency.spawn(lambda: answers.append(bus.call(context, "conductor", "wait", args={})))
               for _ in range(8)]
    assert bus.call(context, "conductor", "echo", args={"value": "meanwhile"}) == "meanwhile"
    desk.go_on.set()
    assert all([t.join(120) for t in waiting])
    assert answers == ["went on"] * 8


def test_buses_of_other_names_hear_nothing(kit: Kit, context: RequestContext) -> None:
    one, two = Desk(), Desk()
    bus_one, bus_two = kit.bus("cell1"), kit.bus("cell2")
    kit.serve(bus_one, one)
    kit.serve(bus_two, two)
    bus_one.cast(context, "conductor", "tell", fanout=True, args={"word": "one"})
    bus_one.cast(context, "conductor", "tell", args={"word": "one"})
    assert [one.told.get(timeout=120) for _ in range(2)] == ["one", "one"]
    assert bus_two.call(context, "conductor", "echo", args={"value": 1}) == 1
    assert two.told.qsize() == 0


def test_the_store_of_the_server_is_on_the_context(kit: Kit, context: RequestContext) -> None:
    class Store:
        def __init__(self, host: str = "") -> None:
            self._host = host

        def answer(self, request_id: str) -> list[str]:
            return [self._host, request_id]

    bus = kit.bus(host="h9")
    kit.serve(bus, Desk(), server="c1", context_store=Store())
    kit.serve(bus, Desk(), topic="hosts", context_store=lambda sender, _context: Store(sender.host))
    assert bus.call(context, "conductor", "store_answer", args={}) == ["", "req-1"]
    assert bus.call(context, "hosts", "store_answer", args={}) == ["h9", "req-1"]


def test_stop_finishes_what_was_begun(kit: Kit, context: RequestContext) -> None:
    bus, desk = kit.bus(), Desk()
    server = kit.serve(bus, desk)
    answers: list[str] = []
    begun = concurrency.spawn(lambda: answers.append(bus.call(context, "conductor", "wait", args={})))
    assert desk.entered.wait(120)
    server.stop()
    desk.go_on.set()
    server.wait()
    assert begun.join(120)
    assert answers == ["went on"]
    with pytest.raises(errors.Unavailable):
        bus.call(context, "conductor", "echo", timeout=1, args={"value": 1})


def test_a_reachable_bus_passes_its_check(kit: Kit) -> None:
    bus = kit.bus()
    assert bus.check(timeout=60) is None  # type: ignore[func-returns-value]


def test_a_newer_object_is_translated_on_the_way(kit: Kit, context: RequestContext) -> None:
    asked: list[dict[str, str]] = []

    def translate(primitive: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
        asked.append(versions)
        data = {k: v for k, v in primitive["nova_object.data"].items() if k != "novelty"}
        return primitive | {"nova_object.version": versions["Service"], "nova_object.data": data}

    class Newer(Endpoint):
        def get(self, context: RequestContext) -> Any:
            return NewerService(uuid="s1", host="h1", novelty="x")

    kit.serve(kit.bus(), Newer())
    old = kit.bus(host="old", backport=translate)
    got = old.call(context, "conductor", "get", args={})
    assert isinstance(got, Service) and got.VERSION == "1.0" and got.as_dict() == {"uuid": "s1", "host": "h1"}
    assert asked == [{"Service": "1.0"}]
    with pytest.raises(errors.NotSupported):
        kit.bus(host="older").call(context, "conductor", "get", args={})


class NewerService(Service):
    """The Service of a later release, as its primitive looks."""

    def __init__(self, **fields: Any) -> None:
        novelty = fields.pop("novelty")
        super().__init__(**fields)
        self._novelty = novelty

    def obj_to_primitive(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        primitive = super().obj_to_primitive(*args, **kwargs)
        primitive["nova_object.data"]["novelty"] = self._novelty
        return primitive | {"nova_object.name": "Service", "nova_object.version": "1.7"}
