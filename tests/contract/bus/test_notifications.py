# SPDX-License-Identifier: Apache-2.0
"""Notifications over each broker, as a consumer of oslo.messaging gets them; and a broker that is not there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from oslo_config import cfg

from nova import concurrency, errors
from nova.conf import notifications as section
from nova.rpc.envelope import Sender
from nova.rpc.notifier import Publisher, drivers
from tests.contract.bus.conftest import make_conf
from tests.functional.notifications.heard import GROUP, LEGACY, VERSIONED, Heard
from tests.services.process import free_port

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def conf_of(*names: str) -> cfg.ConfigOpts:
    conf = make_conf(heartbeat=2)
    section.register(conf)
    drivers(conf)
    conf.set_override("driver", list(names), GROUP)
    return conf


def row(event: str, *, versioned: bool = True, priority: str = "INFO") -> dict[str, Any]:
    return {"message_id": str(uuid.uuid4()), "versioned": versioned, "event_type": event, "priority": priority,
            "publisher_id": "nova-compute:h", "context": {"request_id": "req-1", "project_id": "p"},
            "payload": {"text": "ü", "list": [1, None]}, "created_at": concurrency.time()}


@pytest.fixture(params=["memory", "rabbitmq"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "memory":
        yield f"nova-memory://n{uuid.uuid4().hex}"
        return
    broker = request.getfixturevalue("rabbitmq")
    name = uuid.uuid4().hex[:8]
    yield broker.create_vhost(name) or broker.url(name)
    broker.delete_vhost(name)


@pytest.fixture
def publisher(url: str) -> Iterator[Callable[..., Publisher]]:
    made: list[Publisher] = []

    def make(*names: str) -> Publisher:
        made.append(Publisher(conf_of(*names), url, Sender("nova-conductor", "h")))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("driver", ["messaging", "messagingv2"])
def test_a_consumer_gets_the_whole_message(url: str, publisher: Callable[..., Publisher], driver: str) -> None:
    sent = [row("instance.create.start"), row("instance.create.error", priority="ERROR"),
            row("compute.instance.create.start", versioned=False)]
    sending = publisher(driver)
    for one in sent[:1]:
        sending.publish(one)  # before anybody listens: the queue holds it
    heard = Heard(conf_of(driver), url, VERSIONED, LEGACY)
    try:
        for one in sent[1:]:
            sending.publish(one)
        for one in sent:
            got = heard.wait(one["event_type"])
            assert {k: got[k] for k in ("message_id", "event_type", "priority", "publisher_id", "payload")} == {
                k: one[k] for k in ("message_id", "event_type", "priority", "publisher_id", "payload")}
            assert got["context"]["project_id"] == "p" and got["timestamp"][:4].isdecimal()
    finally:
        heard.close()


def test_order_is_kept(url: str, publisher: Callable[..., Publisher]) -> None:
    sending = publisher("messagingv2")
    heard = Heard(conf_of("messagingv2"), url, VERSIONED)
    try:
        names = [f"e{i}" for i in range(50)]
        for name in names:
            sending.publish(row(name))
        heard.wait(names[-1])
        assert [t for t in heard.types() if t in names] == names
    finally:
        heard.close()


def test_a_broker_that_is_not_there_is_told() -> None:
    publisher = Publisher(conf_of("messagingv2"), f"rabbit://a:b@127.0.0.1:{free_port()}/", Sender("c", "h"))
    with pytest.raises(errors.Unavailable):
        publisher.publish(row("e"))
    publisher.close()


def test_drivers_that_are_no_transport(publisher: Callable[..., Publisher], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="oslo.messaging.notification"):
        publisher("log", "noop").publish(row("instance.lock"))
    assert "instance.lock" in caplog.text
    with pytest.raises(errors.ConfigError, match="no driver telegraph"):
        publisher("telegraph")


def test_nobody_listens_by_default() -> None:
    assert drivers(conf_of()) == [] and drivers(conf_of("noop", "")) == []
