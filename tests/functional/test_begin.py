# SPDX-License-Identifier: Apache-2.0
"""Work that is sent to a host whole: it is begun once, by the start that it is for, and never after a later owner."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency
from nova.compute.epochs import Epochs
from nova.compute.turns import Recent
from tests.functional import truth
from tests.functional.cloud import Cloud


@pytest.fixture
def sent(cloud: Cloud) -> list[tuple[Any, str, list[Any]]]:
    """(manager, incarnation, works) of each message, in order."""
    heard: list[tuple[Any, str, list[Any]]] = []
    for service in cloud.hosts.values():
        manager = service.manager
        genuine = manager.begin

        def begin(incarnation: str, works: list[Any], manager: Any = manager, genuine: Any = genuine) -> None:
            heard.append((manager, incarnation, works))
            genuine(incarnation, works)

        manager.begin = begin
    return heard


def attempts(cloud: Cloud, uuid: str) -> dict[str, int]:
    return {action: truth.operation(cloud, uuid, action)["attempt"] for action, _ in truth.actions(cloud, uuid)}


def test_a_message_that_comes_again_does_nothing(cloud: Cloud, sent: list[tuple[Any, str, list[Any]]]) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.operations.stop(cloud.context(), uuid)
    cloud.wait_state(uuid, "stopped")
    cloud.operations.start(cloud.context(), uuid)
    cloud.wait_state(uuid, "active")
    assert [work.operation.action for _, _, works in sent for work in works] == ["create", "stop", "start"]
    before = attempts(cloud, uuid)
    for manager, incarnation, works in list(sent):
        manager.begin(incarnation, works)
        manager._pool.drain(120)
        assert manager._turns.operations == []
    row = cloud.server(uuid)
    assert row is not None and (row["vm_state"], row["task_state"]) == ("active", None)
    assert attempts(cloud, uuid) == before


def test_a_message_for_another_start_is_left_to_the_rows(cloud: Cloud, sent: list[tuple[Any, str, list[Any]]]) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    [(manager, _, works)] = sent
    cloud.wait(lambda: not manager._turns.operations, what="the host has done with the build")
    manager._recent = Recent()  # as after a start
    manager.begin(concurrency.uuid4(), works)
    assert manager._turns.operations == [] and manager._recent.new(works[0].operation.uuid, works[0].operation.epoch)


def test_a_build_that_comes_after_the_delete_is_refused(cloud: Cloud, sent: list[tuple[Any, str, list[Any]]]) -> None:
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    cloud.operations.delete(cloud.context(), uuid)
    cloud.wait_gone(uuid)
    manager, incarnation, works = sent[0]
    manager._recent = Recent()  # as if that message had never been here
    manager.begin(incarnation, works)
    manager._pool.drain(120)
    assert truth.guests(cloud) == {}
    truth.nothing_left(cloud)


def test_what_came_lately_is_told_apart_by_epoch() -> None:
    recent = Recent()
    assert recent.new("a", 1) and not recent.new("a", 1) and recent.new("a", 2)
    recent.end("a", 1)
    assert recent.ended("a", 1) and not recent.ended("a", 2)


def test_a_server_that_is_gone_is_remembered_for_late_messages(tmp_path: Any) -> None:
    epochs = Epochs(tmp_path / "epochs")
    assert epochs.admit("a", 3)
    epochs.forget("a")
    assert not epochs.admit("a", 2)
    assert not Epochs(tmp_path / "epochs").admit("a", 2)
