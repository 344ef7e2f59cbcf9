# SPDX-License-Identifier: Apache-2.0
"""What happens to callers when RabbitMQ is not there, hangs, comes back, or comes back empty."""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from nova import concurrency, errors
from nova.context import RequestContext
from nova.rpc.bus import OsloBus
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import NullSigner, Sender
from tests.contract.bus.conftest import make_conf
from tests.services.process import free_port
from tests.services.rabbitmq import RabbitMQ

#: py-amqp leaves the sockets of lost connections to the garbage collector, which complains.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
CONTEXT = RequestContext(user_id="u1")


class Desk(Endpoint):
    def echo(self, context: RequestContext, value: Any) -> Any:
        return value


def make_bus(url: str, **options: Any) -> OsloBus:
    return OsloBus(make_conf(heartbeat=2, **options), url, name=f"cell1-{uuid.uuid4().hex[:6]}", signer=NullSigner(),
                   sender=Sender("api", "c1"))


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    made = RabbitMQ()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def vhost(broker: RabbitMQ) -> Iterator[str]:
    """A virtual host of one's own; the broker is started again if the test leaves it down."""
    name = uuid.uuid4().hex[:8]
    broker.create_vhost(name)
    yield name
    if not broker.running:
        broker.start()
    broker.delete_vhost(name)
    gc.collect()


def until_it_works(bus: OsloBus, value: str) -> Any:
    """A call, repeated while the bus finds its way back."""
    end = concurrency.monotonic() + 180
    while True:
        try:
            return bus.call(CONTEXT, "conductor", "echo", timeout=5, args={"value": value})
        except errors.Unavailable:
            assert concurrency.monotonic() < end, "the bus did not come back"
            concurrency.sleep(0.2)


def fails(bus: OsloBus) -> None:
    """Everything says Unavailable, and none of it takes for ever."""
    found: list[type[Exception] | None] = []

    def expect(action: Any) -> None:
        try:
            action()
        except Exception as e:
            found.append(type(e))
        else:
            found.append(None)

    tasks = [concurrency.spawn(expect, action) for action in (
        lambda: bus.cast(CONTEXT, "conductor", "echo", args={"value": 1}),
        lambda: bus.call(CONTEXT, "conductor", "echo", timeout=1, args={"value": 1}),
        lambda: bus.check(timeout=1))]
    assert all([t.join(120) for t in tasks])
    assert found == [errors.Unavailable] * 3


def test_a_process_that_starts_without_a_broker_says_so() -> None:
    bus = make_bus(f"rabbit://nova:secret@127.0.0.1:{free_port()}/", connect_timeout=1, cast_retries=0)
    fails(bus)
    assert concurrency.spawn(bus.close).join(120)


def test_wrong_credentials_are_told(broker: RabbitMQ) -> None:
    bus = make_bus(broker.url().replace("secret", "wrong"), connect_timeout=1, cast_retries=0)
    with pytest.raises(errors.Unavailable):
        bus.check(timeout=60)
    bus.close()


def test_a_process_may_start_before_its_broker(broker: RabbitMQ, vhost: str) -> None:
    broker.stop()
    bus = make_bus(broker.url(vhost), cast_retries=0)
    try:
        with pytest.raises(errors.Unavailable):
            bus.call(CONTEXT, "conductor", "echo", timeout=1, args={"value": "before"})
        broker.start()
        server = bus.serve("conductor", "c1", [Desk()])
        server.start()
        assert until_it_works(bus, "after") == "after"
        server.stop()
        server.wait()
    finally:
        bus.close()


def test_a_bus_that_is_closed_while_it_opens_opens_nothing_any_more(broker: RabbitMQ, vhost: str) -> None:
    broker.freeze()
    try:
        bus = make_bus(broker.url(vhost))
        bus.close()
    finally:
        broker.thaw()
    end = concurrency.monotonic() + 180
    while any(t.name == f"{bus.name}-replies" for t in threading.enumerate()):
        assert concurrency.monotonic() < end, "it does not stop opening"
        concurrency.sleep(0.05)
    assert broker.counters(vhost) == []


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_a_server_can_end_while_its_broker_is_away(broker: RabbitMQ, vhost: str, how: str) -> None:
    bus = make_bus(broker.url(vhost))
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    assert bus.call(CONTEXT, "conductor", "echo", args={"value": 1}) == 1

    def end() -> None:
        server.stop()
        server.wait()
        bus.close()

    getattr(broker, how)()
    try:
        assert concurrency.spawn(end).join(120)
    finally:
        broker.thaw()


def test_a_wrong_url_names_the_option() -> None:
    for url in ("rabbit:/nonsense", "strange://x", "rabbit://h:99999999/"):
        with pytest.raises(errors.ConfigError, match="transport_url"):
            make_bus(url)


def test_the_bus_survives_the_end_and_the_return_of_its_broker(broker: RabbitMQ, vhost: str) -> None:
    bus = make_bus(broker.url(vhost))
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    try:
        assert bus.call(CONTEXT, "conductor", "echo", args={"value": "before"}) == "before"
        broker.stop()
        fails(bus)
        broker.start()
        assert until_it_works(bus, "after") == "after"
        assert bus.check(timeout=60) is None  # type: ignore[func-returns-value]
    finally:
        server.stop()
        server.wait()
        bus.close()


def test_a_frozen_broker_lets_nobody_hang(broker: RabbitMQ, vhost: str) -> None:
    bus = make_bus(broker.url(vhost))
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    try:
        assert bus.call(CONTEXT, "conductor", "echo", args={"value": "before"}) == "before"
        broker.freeze()
        try:
            fails(bus)
        finally:
            broker.thaw()
        assert until_it_works(bus, "after") == "after"
    finally:
        server.stop()
        server.wait()
        bus.close()


def test_a_broker_that_lost_everything_is_filled_again(broker: RabbitMQ, vhost: str) -> None:
    bus = make_bus(broker.url(vhost))
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    try:
        assert bus.call(CONTEXT, "conductor", "echo", args={"value": "before"}) == "before"
        broker.wipe(vhost)
        assert until_it_works(bus, "after") == "after"
    finally:
        server.stop()
        server.wait()
        bus.close()


@pytest.mark.parametrize("quorum", [True, False])
def test_queues_are_replicated_as_configured(broker: RabbitMQ, vhost: str, quorum: bool) -> None:
    bus = make_bus(broker.url(vhost), quorum_queues=quorum)
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    try:
        assert bus.call(CONTEXT, "conductor", "echo", args={"value": 1}) == 1
        kinds = broker.queue_types(vhost)
        assert {"conductor", "conductor.c1"} < kinds.keys()
        assert set(kinds.values()) == {"quorum" if quorum else "classic"}
    finally:
        server.stop()
        server.wait()
        bus.close()


@pytest.mark.parametrize("quorum", [True, False])
def test_a_call_for_which_nobody_has_a_queue_fails_at_once_and_no_other(broker: RabbitMQ, vhost: str,
                                                                       quorum: bool) -> None:
    """The answer that it is undeliverable belongs to one call: those around it on the same channel are confirmed."""
    bus = make_bus(broker.url(vhost), quorum_queues=quorum)
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    try:
        assert until_it_works(bus, "before") == "before"
        for number in range(5):
            began = concurrency.monotonic()
            with pytest.raises(errors.Unavailable, match="Nobody has ever served scheduler"):
                bus.call(CONTEXT, "scheduler", "echo", timeout=60, args={"value": number})
            with pytest.raises(errors.Unavailable, match="Nobody has ever served conductor on c2"):
                bus.call(CONTEXT, "conductor", "echo", server="c2", timeout=60, args={"value": number})
            assert concurrency.monotonic() - began < 60  # not a matter of speed: it has not waited for its timeout
            assert bus.call(CONTEXT, "conductor", "echo", timeout=120, args={"value": number}) == number
        late = bus.serve("scheduler", "c1", [Desk()])
        late.start()
        assert bus.call(CONTEXT, "scheduler", "echo", timeout=120, args={"value": "late"}) == "late"
        late.stop()
        late.wait()
    finally:
        server.stop()
        server.wait()
        bus.close()
