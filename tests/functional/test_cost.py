# SPDX-License-Identifier: Apache-2.0
"""What operations cost on their path: commits and messages, counted at the checkpoints that each of them passes."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

import pytest

from nova.concurrency import threads
from tests.functional import truth
from tests.functional.cloud import Cloud

#: What goes on whether anybody asks for anything or not, by the names of its tasks and messages.
_BACKGROUND_TASKS = ("presence", "heartbeat", "inventor", "janitor", "audit", "lifecycle")
_BACKGROUND_SENDS = ("service_heartbeat", "operations_due", "inventory_changed", "compute_node_report")


class Bill:
    """``commits`` by database, ``sends`` as topic.method, in order."""

    def __init__(self) -> None:
        self.commits: list[str] = []
        self.sends: list[str] = []

    def meet(self, label: str) -> None:
        kind, _, rest = label.partition(":")
        task = threading.current_thread().name
        if any(word in task for word in _BACKGROUND_TASKS):
            return
        if label.startswith("tx:commit:"):
            self.commits.append(label.rpartition(":")[2])
        elif kind == "send" and rest.partition(".")[2] not in _BACKGROUND_SENDS:
            self.sends.append(rest)


@contextlib.contextmanager
def bill() -> Iterator[Bill]:
    made = Bill()
    threads.observer = made.meet
    try:
        yield made
    finally:
        threads.observer = None


def cheapest(acts: list[Callable[[], None]]) -> Bill:
    """Of several equal acts: a scan or a second message that falls into one of them is not what the act costs."""
    bills = []
    for act in acts:
        with bill() as made:
            act()
        bills.append(made)
    return min(bills, key=lambda each: len(each.commits) + len(each.sends))


@pytest.fixture
def servers(cloud: Cloud) -> list[str]:
    uuids = cloud.boot(count=3)
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    return uuids


def test_a_create_costs_five_commits_two_calls_and_two_casts(cloud: Cloud, servers: list[str]) -> None:
    def act() -> None:
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")
        cloud.wait(lambda: truth.operation(cloud, uuid, "create")["state"] == "done")

    made = cheapest([act] * 3)
    assert made.commits == ["api", "api", "cell1", "api", "cell1"]
    assert made.sends == ["orchestrator.look", "scheduler.select", "compute.begin", "conductor.operation_record"]


def test_an_action_of_one_host_costs_two_commits_a_cast_and_a_call(cloud: Cloud, servers: list[str]) -> None:
    def act(uuid: str) -> None:
        cloud.operations.stop(cloud.context(), uuid)
        cloud.wait_state(uuid, "stopped")

    made = cheapest([functools.partial(act, uuid) for uuid in servers])
    assert made.commits == ["cell1", "cell1"]
    assert made.sends == ["compute.begin", "conductor.operation_record"]


def test_a_delete_costs_four_commits_two_casts_and_a_call(cloud: Cloud, servers: list[str]) -> None:
    def act(uuid: str) -> None:
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait_gone(uuid)

    made = cheapest([functools.partial(act, uuid) for uuid in servers])
    assert made.commits == ["cell1", "cell1", "api", "cell1"]
    assert made.sends == ["compute.begin", "conductor.operation_record", "orchestrator.look"]
