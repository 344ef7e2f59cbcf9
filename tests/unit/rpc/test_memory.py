# SPDX-License-Identifier: Apache-2.0
"""The driver that stays in the process: it costs nothing while idle, holds what nobody takes yet, and ends at once."""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import oslo_messaging
import pytest
from oslo_config import cfg

from nova import concurrency
from nova.conf import rpc as rpc_section
from nova.context import RequestContext
from nova.rpc import memory
from nova.rpc.bus import OsloBus
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import NullSigner, Sender


class Desk(Endpoint):
    def __init__(self) -> None:
        self.told: Any = concurrency.Queue()

    def tell(self, context: RequestContext, word: Any) -> Any:
        self.told.put(word)
        return word


def make_conf() -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    rpc_section.register(conf)
    conf([], project="nova-test")
    return conf


@pytest.fixture
def bus() -> Iterator[OsloBus]:
    made = OsloBus(make_conf(), f"nova-memory://{uuid.uuid4().hex}", name="t", signer=NullSigner(),
                   sender=Sender("api", "c1"))
    yield made
    made.close()


def test_an_idle_server_has_no_task_of_its_own(bus: OsloBus) -> None:
    before = threading.active_count()
    server = bus.serve("conductor", "c1", [Desk()])
    server.start()
    assert threading.active_count() == before
    bus.call(RequestContext(), "conductor", "tell", args={"word": 1})
    server.stop()
    server.wait()
    assert threading.active_count() == before


def test_a_queue_without_a_listener_holds_its_newest_messages(bus: OsloBus, monkeypatch: pytest.MonkeyPatch,
                                                              caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(memory, "BACKLOG", 3)
    for number in range(5):
        bus.cast(RequestContext(), "conductor", "tell", args={"word": number})
    desk = Desk()
    server = bus.serve("conductor", "c1", [desk], workers=1)
    server.start()
    assert [desk.told.get(timeout=120) for _ in range(3)] == [2, 3, 4]
    server.stop()
    server.wait()
    assert desk.told.qsize() == 0
    assert "the oldest message is lost" in caplog.text


def test_an_exchange_lives_as_long_as_its_drivers() -> None:
    name = uuid.uuid4().hex
    first = memory.exchange(name)
    assert memory.exchange(name) is first
    assert memory.exchange(name + "x") is not first
    del first
    gc.collect()
    assert name not in memory._EXCHANGES


def test_the_driver_serves_oslo_messaging_itself() -> None:
    """Whoever uses oslo.messaging's own client and server gets the same through the entry point."""
    conf = make_conf()
    transport = oslo_messaging.get_rpc_transport(conf, f"nova-memory://{uuid.uuid4().hex}")
    target = oslo_messaging.Target(topic="t", server="s")
    listener = transport._driver.listen(target, 1, None)
    listener.start(lambda incoming: incoming[0].reply({"got": incoming[0].message["args"]}))
    try:
        answer = transport._driver.send(target, {}, {"method": "m", "args": {"a": 1}}, wait_for_reply=True, timeout=5)
    finally:
        listener.stop()
        transport.cleanup()
    assert answer == {"got": {"a": 1}}


def test_what_is_not_json_does_not_pass_the_driver() -> None:
    driver = memory.MemoryDriver(make_conf(), oslo_messaging.TransportURL.parse(make_conf(), "nova-memory://x"))
    with pytest.raises(orjson.JSONEncodeError):
        driver.send(oslo_messaging.Target(topic="t"), {}, {"args": object()})


def test_bridging_callers_run_in_parallel_without_polling(bus: OsloBus) -> None:
    """One worker per request, up to the limit; the rest waits its turn."""
    desk = Desk()
    server = bus.serve("conductor", "c1", [desk], workers=2)
    server.start()
    got: list[Any] = []
    tasks = [concurrency.spawn(lambda n=n: got.append(bus.call(RequestContext(), "conductor", "tell",
                                                               args={"word": n}))) for n in range(50)]
    assert all([t.join(120) for t in tasks])
    server.stop()
    server.wait()
    assert sorted(got) == list(range(50))
