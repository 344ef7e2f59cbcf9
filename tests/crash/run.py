# SPDX-License-Identifier: Apache-2.0
"""Runs many cases: a cloud per group of cases, groups side by side, only the victims start anew between cases."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from tests.crash import cases
from tests.crash.cases import Case
from tests.crash.cluster import PATIENT, QUICK, Cloud, Cluster, Timing
from tests.crash.play import Outcome, Play
from tests.crash.standalone import PRODUCT, Standalone


@dataclasses.dataclass(frozen=True)
class Group:
    """Cases that are played one after the other on the same cloud."""

    name: str
    make: Callable[[], Cloud]
    cases: tuple[Case, ...]


@dataclasses.dataclass(frozen=True)
class Item:
    """A case on a cloud."""

    group: Group
    case: Case

    @property
    def name(self) -> str:
        return f"{self.group.name} {self.case.name}"


def groups(*, full: bool) -> list[Group]:
    """PostgreSQL has every kill of the process that runs a step, and some of bystanders; the others have one per step.
    A ``full`` run has every case everywhere. What neither makes nor removes a server is played on PostgreSQL."""
    found = _daemons("postgresql", cases.cases() if full else cases.short(cases.cases())) + _product_timing()
    found += _daemons("postgresql", cases.moves() if full else cases.one_per_step(cases.moves()), "moves ")
    found += _daemons("postgresql", cases.others() if full else cases.others()[::4], "others ")
    for kind in ("mariadb", "sqlite"):
        found += _daemons(kind, cases.cases() if full else cases.one_per_step(cases.cases()))
    alone = cases.standalone_cases()
    found.append(Group("standalone", Standalone, tuple(alone if full else cases.one_per_step(alone))))
    return found


def _daemons(kind: str, chosen: Iterable[Case], what: str = "") -> list[Group]:
    """Where the victim comes back, leases outlast the case; where others go on for it, there are two orchestrators."""
    back = [case for case in chosen if case.then == cases.RESTARTED]
    away = [case for case in chosen if case.then != cases.RESTARTED]
    mine = tuple(case for case in back if case.runs_the_step)
    others = tuple(case for case in back if not case.runs_the_step)
    made = [Group(f"{kind} {what}restarted", lambda: Cluster(kind, PATIENT), mine),
            Group(f"{kind} {what}taken-over", lambda: Cluster(kind, QUICK, orchestrators=2), tuple(away)),
            Group(f"{kind} {what}bystanders", lambda: Cluster(kind, PATIENT), others)]
    return [group for group in made if group.cases]


def _product_timing() -> list[Group]:
    """Some cases with the intervals and leases that a site has which changed nothing."""
    labels = {"step:create.record:before", "step:create.dispatch:before", "step:create.build:before",
              "step:delete.destroy:before", "step:delete.release:before"}
    chosen = tuple(case for case in cases.cases() if case.label in labels and case.runs_the_step
                   and case.then != cases.EXPIRED)

    def make() -> Cloud:
        return Cluster("postgresql", Timing(PRODUCT.lease, PRODUCT.report_interval), orchestrators=2)

    return [Group("defaults", make, chosen)]


class Runner:
    """``outcome(item)`` waits for an item's turn and gives its outcome, or raises what went wrong."""

    def __init__(self, items: Iterable[Item], *, side_by_side: int = 2) -> None:
        self._futures: dict[Item, Future[Outcome]] = {item: Future() for item in items}
        self._stopped = threading.Event()
        self._clouds: list[Cloud] = []
        self._pool = ThreadPoolExecutor(side_by_side, thread_name_prefix="crash")
        for group in dict.fromkeys(item.group for item in self._futures):
            self._pool.submit(self._run, group)

    def outcome(self, item: Item) -> Outcome:
        return self._futures[item].result()

    def close(self) -> None:
        """What has not begun is left out; clouds that run are stopped."""
        self._stopped.set()
        for cloud in self._clouds:
            cloud.given_up.set()
        self._pool.shutdown()

    def _run(self, group: Group) -> None:
        waiting = {item: future for item, future in self._futures.items() if item.group == group}
        try:
            while waiting and not self._stopped.is_set():
                self._play(group.make(), waiting)
        except BaseException as e:
            for future in waiting.values():
                future.set_exception(e)

    def _play(self, cloud: Cloud, waiting: dict[Item, Future[Outcome]]) -> None:
        """Play on one cloud until a case fails: the next ones get a fresh cloud, and none suffers from another."""
        self._clouds.append(cloud)
        cloud.start()
        try:
            while waiting and not self._stopped.is_set():
                item = next(iter(waiting))
                try:
                    outcome = Play(cloud, item.case).run()
                except Exception as e:
                    waiting.pop(item).set_exception(e)
                    return
                waiting.pop(item).set_result(outcome)
        finally:
            cloud.stop()
