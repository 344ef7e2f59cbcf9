# SPDX-License-Identifier: Apache-2.0
"""Questions that are said again."""

from __future__ import annotations

from typing import Any

import pytest

from nova import errors
from nova.clients import asking
from nova.clients.network import NetworkClient
from nova.clients.store import RemoteStore
from nova.context import service_context
from nova.rpc.messages import Unanswered, crossing, raised


class Bus:
    """Gives these answers, one after the other; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def call(self, context: Any, topic: str, method: str, **how: Any) -> Any:
        self.asked.append(how)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(bus: Bus) -> Any:
    return asking.ask(bus, service_context(), "conductor", "look", namespace="store", args={"a": 1})


def test_what_is_not_answered_is_said_again_and_waited_for_longer_each_time() -> None:
    bus = Bus(Unanswered(), Unanswered(), "at last")
    assert ask(bus) == "at last"
    limits = [how["timeout"] for how in bus.asked]
    assert [how["args"] for how in bus.asked] == [{"a": 1}] * 3
    assert 2 <= limits[0] <= 3 < limits[1] < limits[2] == asking.SAYINGS[-1]


def test_the_network_of_a_host_is_asked_again_by_its_name() -> None:
    bus = Bus(Unanswered(), Unanswered(), None)
    NetworkClient(bus).plug(service_context(), "h1", "s1", [{"device": "tap1"}])
    assert [(how["server"], how["args"]["instance_uuid"]) for how in bus.asked] == [("h1", "s1")] * 3
    assert bus.asked[-1]["timeout"] > 4 * bus.asked[0]["timeout"]  # much to do is no reason to give up


def test_the_last_silence_is_told() -> None:
    bus = Bus(*[Unanswered("silence")] * len(asking.SAYINGS))
    with pytest.raises(errors.Unavailable, match="silence"):
        ask(bus)
    assert len(bus.asked) == len(asking.SAYINGS)


@pytest.mark.parametrize("error", [errors.Stale(), errors.Unavailable("the database is away")])
def test_an_answer_is_an_answer(error: errors.NovaError) -> None:
    bus = Bus(error)
    with pytest.raises(type(error)):
        ask(bus)
    assert len(bus.asked) == 1


def test_the_silence_that_somebody_else_met_is_not_ours() -> None:
    assert type(raised(crossing(Unanswered("no answer")))) is errors.Unavailable


def test_records_have_numbers_that_stay_when_they_are_said_again() -> None:
    bus = Bus(Unanswered(), None, None)
    store = RemoteStore(bus)
    for _ in range(2):
        store.operation_record("op", 2, {"kind": "advance"})
    said = [how["args"]["record"]["said"] for how in bus.asked]
    assert said[0] == said[1] and (said[2][0], said[2][1]) == (said[0][0], said[0][1] + 1)
    assert RemoteStore(bus)._speaker != store._speaker
