# SPDX-License-Identifier: Apache-2.0
"""What operations cost on their path: commits and messages, counted at the checkpoints that each of them passes."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator

import pytest

from nova.concurrency import threads
from tests.functional import truth
from tests.functional.cloud import Cloud

#: What goes on whether anybody asks for anything or not, by the names of its tasks and messages.
_BACKGROUND_TASKS = ("presence", "heartbeat", "inventor", "janitor", "audit", "lifecycle")
_BACKGROUND_SENDS = ("service_heartbeat", "operations_due", "inventory_changed", "compute_node_report")


#: Acts that are looked at until one was not disturbed.
_TRIES = 8


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


def costs(act: Callable[[], None], commits: list[str], sends: list[str]) -> None:
    """Of several equal acts one costs just that: a scan or a second message that falls into the others, as on a busy
    machine it often does, is not what the act costs."""
    seen = []
    for _ in range(_TRIES):
        with bill() as made:
            act()
        if (made.commits, made.sends) == (commits, sends):
            return
        seen.append((made.commits, made.sends))
    raise AssertionError(seen)


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    """Nothing is so late here that anybody looks after it."""
    return make_cloud(conf_options={"report_interval": 20.0, "lease": 120.0, "service_down_time": 300.0})


@pytest.fixture
def server(cloud: Cloud) -> str:
    """The first one, with which every process learns what it asks only once."""
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    return uuid


def test_a_create_costs_five_commits_two_calls_and_two_casts(cloud: Cloud, server: str) -> None:
    def act() -> None:
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")
        cloud.wait(lambda: truth.operation(cloud, uuid, "create")["state"] == "done")

    costs(act, ["api", "api", "cell1", "api", "cell1"],
          ["orchestrator.look", "scheduler.select", "compute.begin", "conductor.operation_record"])


def test_an_action_of_one_host_costs_two_commits_a_cast_and_a_call(cloud: Cloud, server: str) -> None:
    turns = itertools.cycle([("stop", "stopped"), ("start", "active")])

    def act() -> None:
        action, state = next(turns)
        getattr(cloud.operations, action)(cloud.context(), server)
        cloud.wait_state(server, state)

    costs(act, ["cell1", "cell1"], ["compute.begin", "conductor.operation_record"])


def test_a_delete_costs_four_commits_two_casts_and_a_call(cloud: Cloud, server: str) -> None:
    uuids = [server, *cloud.boot(count=_TRIES - 1)]
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))

    def act() -> None:
        uuid = uuids.pop()
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait_gone(uuid)
        cloud.wait(lambda: truth.operation(cloud, uuid, "delete")["state"] == "done")

    costs(act, ["cell1", "cell1", "api", "cell1"],
          ["compute.begin", "conductor.operation_record", "orchestrator.look"])
