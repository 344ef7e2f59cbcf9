# SPDX-License-Identifier: Apache-2.0
"""The relay loses nothing, keeps the order, and sends twice only what it could not know to be safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from nova import concurrency
from nova.concurrency import threads
from nova.db.engine import Database
from nova.notifications.relay import Relay
from tests.contract.outbox.conftest import Broker, left, put, tables, wait

Make = Callable[..., Relay]


@pytest.fixture
def make_relay(database: Database) -> Iterator[Make]:
    made: list[Relay] = []

    def make(broker: Broker, **options: float) -> Relay:
        made.append(Relay(database, tables, broker, **options))
        return made[-1]

    yield make
    for relay in made:
        relay.stop()


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``killed_at(label)``: whoever passes this place next is gone."""
    def arm(label: str) -> None:
        def observe(passed: str) -> None:
            if passed.startswith(label):
                monkeypatch.setattr(threads, "observer", None)
                raise Killed

        monkeypatch.setattr(threads, "observer", observe)

    return arm


def test_everything_is_sent_in_order_and_forgotten(database: Database, make_relay: Make) -> None:
    broker = Broker()
    names = [f"e{i}" for i in range(250)]
    put(database, *names)
    assert make_relay(broker).drain()
    assert broker.names == names and left(database) == []


def test_a_nudge_is_enough(database: Database, make_relay: Make) -> None:
    broker = Broker()
    relay = make_relay(broker, interval=3600.0)
    relay.start()
    for name in ("a", "b"):
        put(database, name)
        relay.nudge()
        wait(lambda name=name: broker.names[-1:] == [name], "it was nudged")
    wait(lambda: left(database) == [], "what was sent is forgotten")


def test_a_lost_nudge_costs_time_only(database: Database, make_relay: Make) -> None:
    broker = Broker()
    make_relay(broker, interval=0.2).start()
    put(database, "a")
    wait(lambda: left(database) == [] and broker.names == ["a"], "it was looked for")


def test_what_was_left_behind_is_sent_at_the_start(database: Database, make_relay: Make) -> None:
    put(database, "a")
    broker = Broker()
    make_relay(broker, interval=3600.0).start()
    wait(lambda: broker.names == ["a"], "it was there before")


def test_a_death_between_publishing_and_deleting_sends_twice_and_loses_nothing(
        database: Database, make_relay: Make, killed_at: Callable[[str], None]) -> None:
    broker = Broker()
    put(database, "a", "b")
    killed_at("relay:published")
    with pytest.raises(Killed):
        make_relay(broker, turn=0.5).drain()
    assert left(database) == ["a", "b"] and broker.names == ["a", "b"]
    put(database, "c")
    heir = make_relay(broker)
    wait(heir.drain, "the turn of the dead one ends")
    assert left(database) == [] and broker.names == ["a", "b", "a", "b", "c"]
    assert len(set(broker.taken)) == 3  # the same message ids


@pytest.mark.parametrize("where", ["write:", "tx:commit:", "committed:"])
def test_a_death_anywhere_loses_nothing(database: Database, make_relay: Make, killed_at: Callable[[str], None],
                                        where: str) -> None:
    broker = Broker()
    put(database, "a", "b")
    killed_at(where)
    with pytest.raises(Killed):
        make_relay(broker, turn=0.5).drain()
    wait(make_relay(broker).drain, "another relay takes over")
    assert left(database) == [] and set(broker.names) == {"a", "b"}


def test_a_broker_that_is_away_is_waited_for(database: Database, make_relay: Make) -> None:
    broker = Broker()
    broker.away = 3
    put(database, "a", "b", "c")
    make_relay(broker, interval=3600.0, patience=(0.05, 0.2)).start()
    wait(lambda: left(database) == [], "the broker is back")
    assert broker.names == ["a", "b", "c"]


def test_nothing_overtakes_what_the_broker_refuses(database: Database, make_relay: Make) -> None:
    broker = Broker()
    put(database, "a", "b")
    relay = make_relay(broker)
    real, refused = broker.publish, []

    def second_refused(row: object) -> None:
        if broker.names == ["a"] and not refused:
            refused.append(row)
            broker.away = 1
        real(row)  # type: ignore[arg-type]

    broker.publish = second_refused  # type: ignore[method-assign]
    with pytest.raises(Exception, match="away"):
        relay.drain()
    assert left(database) == ["b"]
    put(database, "c")
    assert relay.drain() and broker.names == ["a", "b", "c"]


def test_two_relays_do_not_mix_up_the_order(database: Database, make_relay: Make) -> None:
    broker = Broker()
    relays = [make_relay(broker, interval=0.1) for _ in range(2)]
    for relay in relays:
        relay.start()
    names = [f"e{i}" for i in range(60)]
    for name in names:
        put(database, name)
        relays[concurrency.random().randrange(2)].nudge()
    wait(lambda: left(database) == [], "all is sent")
    assert broker.names == names


def test_a_stop_sends_what_is_there(database: Database, make_relay: Make) -> None:
    broker = Broker()
    relay = make_relay(broker, interval=3600.0)
    relay.start()
    concurrency.sleep(0.2)
    put(database, "a")
    relay.stop()
    assert broker.names == ["a"] and left(database) == []
