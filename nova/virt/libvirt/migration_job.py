# SPDX-License-Identifier: Apache-2.0
"""A migration that libvirt carries out, as its source watches it: how far it is, when it has had its time, and what is
asked of it meanwhile."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from nova import concurrency, errors
from nova.virt.libvirt.connection import Connection
from nova.virt.migration import ABORT, FORCE_COMPLETE, Counters, Watch

LOG = logging.getLogger(__name__)
GIB = 1 << 30
#: Seconds between two looks at what is asked of a migration. Its end is not looked for: it is told.
TICK = 0.05
#: Seconds that it may take until a migration that is broken off is over.
PATIENCE = 60.0
#: Milliseconds that a guest may stand still as QEMU has it by itself.
FIRST_DOWNTIME = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """Seconds until the first look how far a migration is, and between two. Each asks QEMU, which holds up a guest that
    is just leaving; the first is so late that a short migration has none."""

    first_look: float = 2.0
    look_every: float = 0.5
    patience: float = 60.0
    """Seconds in which one that broke after its guest had left must be under way again."""


def counters(stats: dict[str, Any]) -> Counters:
    """libvirt's numbers of a job in our words."""
    return Counters(**{name: int(stats.get(name, 0)) for name in (
        "memory_total", "memory_processed", "memory_remaining", "disk_total", "disk_processed", "disk_remaining")})


def downtimes(most: int, steps: int, delay: float) -> list[tuple[float, int]]:
    """When, in seconds from the beginning, a guest may stand still for how many milliseconds."""
    first = min(FIRST_DOWNTIME, most)
    return [(i * delay, first + round((most - first) * i / steps)) for i in range(steps + 1)]


class Job:
    """``start(dom)`` blocks until the migration is over; None: it is found under way. ``post_copy``: it was begun so
    that it can go over to that when it is forced to its end."""

    def __init__(self, connection: Connection, uuid: str, conf: cfg.ConfigOpts, gib: float,
                 start: Callable[[Any], Any] | None, pace: Pace, *, post_copy: bool = False) -> None:
        self._connection, self._uuid, self._options, self._pace = connection, uuid, conf.libvirt, pace
        self._post_copy = post_copy
        self._start, self._ended = start, concurrency.Event()
        self._error: Exception | None = None
        self._stats: dict[str, Any] | None = None
        self._asking = False
        self._aborted: str | None = None
        self._forced = False
        gib = max(2.0, gib)
        o = self._options
        self._steps = downtimes(o.live_migration_downtime, o.live_migration_downtime_steps,
                                o.live_migration_downtime_delay * gib)
        self._timeout = o.live_migration_completion_timeout * gib

    def run(self, watch: Watch) -> None:
        """Until it is over, however. :class:`errors.Conflict` when it was aborted; what libvirt says of a failure."""
        concurrency.spawn(self._carry_out, name=f"migrate-{self._uuid}")
        try:
            self._attend(watch)
        except BaseException:
            self._break_off()
            raise
        if self._aborted is not None and self._error is not None:
            raise errors.Conflict(self._aborted)
        if self._error is not None:
            raise self._error

    def _carry_out(self) -> None:
        try:
            if self._start is not None:
                self._connection.domain(self._uuid, self._start)
            else:
                while self._connection.domain(self._uuid, _under_way):
                    concurrency.sleep(self._pace.look_every)
        except Exception as e:
            self._error = e
        finally:
            self._ended.set()

    def _attend(self, watch: Watch) -> None:
        began = said = concurrency.monotonic()
        due = began + self._pace.first_look
        self._obey(watch.wanted(0))  # asked while the destination makes ready; what is said then is heard in time
        while not self._ended.wait(TICK):
            self._obey(watch.wanted(0))
            self._tell(watch)
            now = concurrency.monotonic()
            if self._aborted is not None and now - said >= self._pace.look_every:
                said = now
                self._quietly(_abort)  # between its phases a migration may miss what is said to it
            if now >= due:
                due = now + self._pace.look_every
                self._look(now - began)
        self._tell(watch)

    def _break_off(self) -> None:
        LOG.info("the migration of guest %s is broken off: its operation has ended", self._uuid)
        until = concurrency.monotonic() + PATIENCE
        self._quietly(_abort)
        while not self._ended.wait(self._pace.look_every) and concurrency.monotonic() < until:
            self._quietly(_abort)

    def _ask(self) -> None:
        """By a task of its own: libvirt may take half a minute to answer, and an abort does not wait for that."""
        try:
            self._stats = self._quietly(lambda dom: dom.jobStats())
        except errors.Unavailable as e:
            LOG.debug("guest %s on its way: %s", self._uuid, e.message)
        finally:
            self._asking = False

    def _tell(self, watch: Watch) -> None:
        """What was asked for and has been answered."""
        stats, self._stats = self._stats, None
        if stats and (stats.get("memory_total") or stats.get("disk_total")):
            watch.report(counters(stats))

    def _look(self, age: float) -> None:
        if not self._asking:
            self._asking = True
            concurrency.spawn(self._ask, name=f"migrate-{self._uuid}-stats")
        while self._steps and age >= self._steps[0][0]:
            _, milliseconds = self._steps.pop(0)
            if milliseconds != FIRST_DOWNTIME:
                self._quietly(functools.partial(_stand_still, milliseconds))
        if self._timeout and age >= self._timeout and self._aborted is None:
            if self._options.live_migration_timeout_action == "force_complete":
                self._force()
            else:
                self._abort(f"The live migration did not come to an end within {self._timeout:g} s.")

    def _obey(self, wanted: frozenset[str]) -> None:
        if ABORT in wanted and self._aborted is None:
            self._abort("The live migration was aborted.")
        elif FORCE_COMPLETE in wanted:
            self._force()

    def _abort(self, why: str) -> None:
        LOG.info("the migration of guest %s is broken off: %s", self._uuid, why)
        if self._quietly(_abort) is not None:
            self._aborted = why

    def _force(self) -> None:
        if self._forced:
            return
        done = self._quietly(lambda dom: dom.migrateStartPostCopy() if self._post_copy else dom.suspend())
        self._forced = done is not None

    def _quietly(self, work: Callable[[Any], Any]) -> Any:
        """The job may be over, or not there yet: that is seen elsewhere."""
        try:
            return self._connection.domain(self._uuid, work)
        except (errors.HostFailure, errors.NotFound) as e:
            LOG.debug("guest %s on its way: %s", self._uuid, e.message)
            return None


def _abort(dom: Any) -> Any:
    return dom.abortJob()


def _stand_still(milliseconds: int, dom: Any) -> None:
    dom.migrateSetMaxDowntime(milliseconds)


def _under_way(dom: Any) -> bool:
    return bool(dom.jobInfo()[0])


def under_way(connection: Connection, uuid: str) -> bool:
    """Whether libvirt does something with the guest now."""
    return connection.domain(uuid, _under_way)


def call_off(connection: Connection, uuid: str) -> None:
    """Have what libvirt does with the guest end, and wait for that. What is said between two phases may be missed, so
    it is said until nothing is under way."""
    until = concurrency.monotonic() + PATIENCE
    while under_way(connection, uuid):
        try:
            connection.domain(uuid, _abort)
        except errors.HostFailure as e:
            LOG.debug("guest %s is not let go of yet: %s", uuid, e.message)
        if concurrency.monotonic() >= until:
            raise errors.HostFailure(f"What libvirt does with guest {uuid} has not come to an end in {PATIENCE:g} s.")
        concurrency.sleep(TICK)
