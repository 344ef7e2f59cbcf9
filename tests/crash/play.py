# SPDX-License-Identifier: Apache-2.0
"""Plays a case: reach the step, lose the process there, and see how it ends and how soon it moves again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time

import requests

from tests.crash import cases
from tests.crash.cases import Case
from tests.crash.cluster import HUGE, Cloud

#: Seconds until an operation must move again: after the restart of the process, or after the end of its lease.
AFTER_RESTART, AFTER_LEASE = 5.0, 15.0
#: Seconds that a daemon takes to start where nothing else runs, at most.
USUAL_START = 3.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """``moved``: seconds after ``since``, a restart or the end of a lease; None: nothing was left to be done.
    ``settled``: seconds after the kill. ``ready``: from the restart until it said so, if that was waited for."""

    ended: str
    moved: float | None
    since: str
    settled: float
    ready: float | None = None


class Play:
    def __init__(self, cluster: Cloud, case: Case) -> None:
        self.cluster, self.case = cluster, case
        self.traps, self.truth = cluster.traps, cluster.truth
        self.uuid = ""

    def run(self) -> Outcome:
        """AssertionError, with the ends of the logs, when anything is not as it must be."""
        self.traps.clear()
        try:
            return self._run()
        finally:
            self.traps.clear()
            self._revive()

    def _run(self) -> Outcome:
        case, cluster = self.case, self.cluster
        self._act()
        fallen = cluster.wait(lambda: self.traps.fired(case.label), 180, f"{case.name}: somebody passes {case.label}")
        victim = fallen.process if case.runs_the_step else cluster.process_of(case.victim)
        daemon = cluster.daemons[victim]
        assert daemon.wait_dead() == -9, f"{victim} ended by itself: {daemon.tail()}"
        self.traps.disarm("step:create.schedule:before")
        silent = None
        since = fallen.at + cluster.timing.lease
        if case.then == cases.RESTARTED:
            daemon.start()
            since = daemon.started_at
        elif cluster.timing.hurried:
            silent, since = cluster.host_of(victim), time.monotonic()
        if case.then == cases.EXPIRED:
            self.truth.expire(self.uuid)
        cluster.settle(self.uuid, case.ends, case.name, silent=silent)
        settled = time.monotonic() - fallen.at
        self._may_keep()
        moved = self._moved(fallen.at, since)
        self._revive()
        daemon.wait_ready()
        cluster.check(case.name)
        restarted = case.then == cases.RESTARTED
        if restarted and moved is not None:
            idle = moved - (daemon.ready_at - daemon.started_at)
            assert idle <= AFTER_RESTART * self._slowness(), f"{case.name}: moved {idle:.1f} s after it was ready"
        return Outcome(self._told(), moved, "restart" if restarted else "lease", settled,
                       daemon.ready_at - daemon.started_at if restarted else None)

    # -- the story -----------------------------------------------------------------------------------------------------

    def _act(self) -> None:
        scenario, user = self.case.scenario, self.cluster.user
        if scenario in (cases.REMOVE, cases.WITHDRAW):
            if scenario is cases.WITHDRAW:
                self.traps.arm("step:create.schedule:before", "hold")
            self.uuid = self._create("0")
            if scenario is cases.WITHDRAW:
                self.cluster.wait(lambda: self.traps.fired("step:create.schedule:before"), 180, "the create waits")
            else:
                self.cluster.settle(self.uuid, cases.ACTIVE, "there is a server to delete")
            self._arm()
            with contextlib.suppress(requests.ConnectionError):  # accepted, and then the API may be the victim
                user.delete(self.uuid)
            return
        if scenario.act is not None:
            self.uuid = self._create("0")
            self.cluster.settle(self.uuid, cases.ACTIVE, "there is a server")
            for act in scenario.before:
                user.act(self.uuid, act)
                self.cluster.settle(self.uuid, act.ends, f"{act.name} comes first")
            if scenario.fails:
                self.traps.arm(scenario.fails, "fail all")
            self._arm()
            with contextlib.suppress(requests.ConnectionError):
                user.act(self.uuid, scenario.act)
            return
        if scenario in (cases.SECOND_HOST, cases.NO_HOST_BUILDS):
            self.traps.arm("fake.spawn", "fail first" if scenario is cases.SECOND_HOST else "fail all")
        self._arm()
        self.uuid = self._create(HUGE if scenario is cases.NO_HOST else "0")

    def _create(self, flavor: str) -> str:
        try:
            return self.cluster.user.create(flavor)
        except requests.ConnectionError:  # accepted, but the API is the victim
            return self.truth.newest()

    def _arm(self) -> None:
        target = "self" if self.case.runs_the_step else self.cluster.process_of(self.case.victim)
        self.traps.arm(self.case.label, f"kill {target}")

    def _revive(self) -> None:
        """Who stayed dead comes back, and all are ready for what follows."""
        for daemon in self.cluster.daemons.values():
            if not daemon.running:
                daemon.start()
            daemon.wait_ready()
        self.cluster.user.take_back()

    def _may_keep(self) -> None:
        """A server that no other host took is in error on the host that it was to leave. That host lets go of the guest
        if it sees that the record is elsewhere. It may see that in time or not: it may have been dead meanwhile, or the
        conductor that it asks. Then the record is back, and the guest is its own."""
        row = self.truth.server(self.uuid)
        if self.case.scenario is cases.NO_HOST_TAKES_IT and row is not None and row["host"] is not None:
            self.truth.may_keep.add(self.uuid)

    # -- how it ended --------------------------------------------------------------------------------------------------

    def _moved(self, killed_at: float, since: float) -> float | None:
        """When the next step's checkpoint was passed."""
        later = [p for p in self.traps.passages(killed_at) if p.label != self.case.label or p.at > killed_at + 0.001]
        if not later:
            return None
        moved = max(0.0, later[0].at - since)
        bound = AFTER_RESTART if self.case.then == cases.RESTARTED else AFTER_LEASE
        late = f"{self.case.name}: moved again after {moved:.1f} s"
        assert moved <= bound * 3.0 * self._slowness(), f"{late}\n{self.cluster.report()}"
        return moved

    def _told(self) -> str:
        """What the owner reads."""
        server = self.cluster.user.show(self.uuid)
        if server is None:
            return cases.GONE
        if server["status"] == "ERROR":
            assert server["fault"]["message"], server
        shown = self.truth.server(self.uuid)
        assert shown is not None and shown["vm_state"] == self.case.ends, server
        return self.case.ends

    def _slowness(self) -> float:
        """By how much a machine is excused that has more to do than this test, or is a slow one: told by what waits for
        its processors, and by how long daemons took to start."""
        starts = [d.ready_at - d.started_at for d in self.cluster.daemons.values() if d.ready_at > d.started_at]
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1), min(starts, default=0.0) / USUAL_START)
