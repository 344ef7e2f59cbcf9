# SPDX-License-Identifier: Apache-2.0
"""Hosts that fail, and their servers that want to be started elsewhere: noticed, fenced, then evacuated; never before.

A host has failed when it was silent for longer than ``down_after`` and did not sign off. Nobody is judged by who cannot
hear, nor when many fall silent at once. The evacuation itself is a drain of that kind (:mod:`nova.conductor.drains`).
"""

from __future__ import annotations

import bisect
import functools
import logging
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.concurrency.periodic import Periodic
from nova.conductor.fencing import Fencing
from nova.conductor.judgement import Judgement
from nova.context import service_context
from nova.db.api import host_drains, host_fences
from nova.db.cell import instances
from nova.db.cell.tables import services
from nova.db.engine import Database
from nova.db.schema import db_now
from nova.objects.availability import EVACUATE, policy
from nova.states import TRANSITIONS
from nova.store.beginnings import actor_of

LOG = logging.getLogger(__name__)
#: More than so many hosts, and more than a fifth of them, do not fail at once: what they speak through does.
_SEVERAL = 3


class Availability:
    """``look()`` every ``interval`` seconds. ``retry``: seconds between two attempts to fence a host."""

    def __init__(self, api: Database, cells: Cells, fencing: Fencing, *, lease: float, down_after: float,
                 retry: float = 30.0, parallel: int = 10, interval: float = 5.0) -> None:
        self._api, self._cells, self._fencing = api, cells, fencing
        self._lease, self._down_after, self._retry, self._parallel = lease, down_after, retry, parallel
        self.judgement = Judgement(lease, down_after)
        self._periodic = Periodic("availability", interval, self.look)
        self.start, self.stop = self._periodic.start, self._periodic.stop

    def look(self) -> None:
        with self._api.read() as conn:
            fences = host_fences.find(conn)
        for cell in self._cells.with_hosts():
            try:
                self.judgement.reach(cell.uuid, functools.partial(self._look_into, cell, fences))
            except errors.Unavailable as e:
                LOG.warning("failed hosts of cell %s are not looked for now: %s", cell.name, e.message)

    def _look_into(self, cell: Cell, fences: dict[str, dict[str, Any]]) -> None:
        with cell.database.read() as conn:
            computes = services.list(conn, binary="nova-compute")
            conductors = services.list(conn, binary="nova-conductor")
        of_cell = {s["host"]: s for s in computes}
        for host, fence in fences.items():
            if fence["cell_uuid"] == cell.uuid and host in of_cell:
                self._go_on(cell, of_cell[host], fence)
        failed = [s for s in computes if self._failed(s) and s["host"] not in self._known(fences, s)]
        if not failed or not self._may_judge(cell, computes, conductors):
            return
        for service in self._alone(cell, computes, failed):
            if wanting(cell, service["host"]):
                LOG.warning("host %s has been silent for %.0f s and has servers that want to be evacuated: it is to be "
                            "fenced", service["host"], service["age"])
                self._api.run(lambda conn, s=service: host_fences.want(  # type: ignore[misc]
                    conn, s["host"], cell.uuid, s["incarnation"]))

    def _failed(self, service: dict[str, Any]) -> bool:
        return bool(service["last_seen"]) and float(service["age"]) > self._down_after

    @staticmethod
    def _known(fences: dict[str, dict[str, Any]], service: dict[str, Any]) -> set[str]:
        """The host itself, if this very failure of it has a fence."""
        fence = fences.get(service["host"])
        return {service["host"]} if fence is not None and fence["incarnation"] == service["incarnation"] else set()

    def _may_judge(self, cell: Cell, computes: list[dict[str, Any]], conductors: list[dict[str, Any]]) -> bool:
        """Could we hear for a whole lease, and could the cell's conductors, who write down when they heard a host?"""
        broker, writers = f"broker of {cell.uuid}", f"conductors of {cell.uuid}"
        if not self.judgement.heard(computes) and cell.bus is not None:
            self.judgement.reach(broker, cell.bus.check)
        else:
            self.judgement.reach(broker, lambda: None)
        self.judgement.reach(writers, lambda: self._check_writers(conductors))
        return self.judgement.may(cell.uuid, broker, writers)

    def _check_writers(self, conductors: list[dict[str, Any]]) -> None:
        """One that was away for long is believed when it is back for a lease: its hosts need a moment, too."""
        limit = max(self._lease, self._down_after / 2)
        if not any(s["last_seen"] and s["age"] <= limit for s in conductors):
            raise errors.Unavailable("no nova-conductor of the cell lives, so that nobody writes when hosts are heard.")

    def _alone(self, cell: Cell, computes: list[dict[str, Any]], failed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the failed with whom not many others fell silent. However long ago that is: hosts that could not be
        heard for a day have not failed either."""
        speaking = sum(bool(s["last_seen"]) and not self._failed(s) for s in computes)
        ages = sorted(float(s["age"]) for s in computes if self._failed(s))
        alone, together = [], 0
        for service in failed:
            age = float(service["age"])
            silent = (bisect.bisect_right(ages, age + self._down_after)
                      - bisect.bisect_left(ages, age - self._down_after))
            if silent >= _SEVERAL and silent > (speaking + silent) / 5:
                together = max(together, silent)
            else:
                alone.append(service)
        if together:
            LOG.warning("%d hosts of cell %s fell silent together, and %d speak: none of them is held to have failed; "
                        "an operator may say so by 'nova-manage host fence HOST --confirmed'", together, cell.name,
                        speaking)
        return alone

    # -- one host ------------------------------------------------------------------------------------------------------

    def _go_on(self, cell: Cell, service: dict[str, Any], fence: dict[str, Any]) -> None:
        host = fence["host"]
        back = float(service["age"]) <= self._lease and bool(service["last_seen"])
        if fence["state"] == host_fences.WANTED and back:
            LOG.info("host %s is back: it needs no fence", host)
            self._api.run(lambda conn: host_fences.forget(conn, host))
        elif fence["state"] == host_fences.WANTED:
            self._fence(fence)
        elif fence["state"] == host_fences.CONFIRMED:
            self._evacuate(cell, service, fence, back=back)
        elif fence["state"] == host_fences.EVACUATING:
            self._follow(host)
        elif not back and service["forced_down"]:
            self._again(cell, fence)
        elif back and not service["forced_down"]:
            LOG.info("host %s is up: when it fails again it is fenced again", host)
            self._api.run(lambda conn: host_fences.forget(conn, host))

    def _fence(self, fence: dict[str, Any]) -> None:
        host = fence["host"]
        if not self._api.run(lambda conn: host_fences.attempt(conn, fence, self._retry)):
            return
        try:
            known = self._fencing.fence(host)
        except errors.NovaError as e:
            told = e.message
            LOG.warning("host %s could not be fenced: %s", host, told)
            self._api.run(lambda conn: host_fences.tell(conn, host, told))
            return
        if known is None:
            self._api.run(lambda conn: host_fences.tell(conn, host, "It waits for 'nova-manage host fence HOST "
                                                                    "--confirmed'."))
            return
        LOG.warning("host %s is fenced: %s", host, known)
        self._api.run(lambda conn: host_fences.settle(conn, host, expected=host_fences.WANTED,
                                                      state=host_fences.CONFIRMED, message=known))

    def _evacuate(self, cell: Cell, service: dict[str, Any], fence: dict[str, Any], *, back: bool) -> None:
        """The host is down from here on, whatever it says, until an operator takes it back; its servers leave."""
        host = fence["host"]
        if back or not _force_down(cell, service, fence, self._lease):
            self._over(host, host_fences.CONFIRMED, "The host was started again.")
            return
        servers = wanting(cell, host)
        if not servers:
            self._over(host, host_fences.CONFIRMED, "No server wants to be evacuated.")
            return
        values = {"uuid": concurrency.uuid4(), "host": host, "cell_uuid": cell.uuid, "kind": "evacuation",
                  "mode": "auto", "parallel": self._parallel, "actor": actor_of(service_context()),
                  "reason": fence["message"]}

        def begin(conn: sa.Connection) -> None:
            for drain in host_drains.find(conn, open_host=host):
                host_drains.end(conn, drain["uuid"], "failed", "The host failed; its servers are evacuated.")
            if host_fences.settle(conn, host, expected=host_fences.CONFIRMED, state=host_fences.EVACUATING,
                                  message=f"{len(servers)} servers are evacuated: drain {values['uuid']}."):
                host_drains.insert(conn, values)
                host_drains.add_servers(conn, str(values["uuid"]), servers)

        self._api.run(begin)
        LOG.warning("%d servers of host %s are evacuated", len(servers), host)

    def _follow(self, host: str) -> None:
        with self._api.read() as conn:
            found = [d for d in host_drains.find(conn, host=host) if d["kind"] == "evacuation"]
        if not found or found[0]["state"] != "open":
            told = found[0]["message"] if found else "The evacuation is not there any more."
            self._over(host, host_fences.EVACUATING, told)

    def _again(self, cell: Cell, fence: dict[str, Any]) -> None:
        """What could not leave may find a host by now. It is asked less and less often."""
        left = wanting(cell, fence["host"], ready=True)
        pause = self._retry * max(1, fence["attempts"])
        if not left:
            return
        if self._api.run(lambda conn: host_fences.again(conn, fence, pause)):
            LOG.warning("%d servers are still on host %s, which is off: they are evacuated again", len(left),
                        fence["host"])

    def _over(self, host: str, expected: str, message: str) -> None:
        self._api.run(lambda conn: host_fences.settle(conn, host, expected=expected, state=host_fences.OVER,
                                                      message=message))


def wanting(cell: Cell, host: str, *, ready: bool = False) -> list[str]:
    """The servers of a host that want to be evacuated when it fails; ``ready``: which their state allows, too."""
    t = instances.instances.c
    allowed = sa.true() if not ready else t.vm_state.in_(sorted(TRANSITIONS["evacuate"].vm_states or ()))
    with cell.database.read() as conn:
        rows = conn.execute(sa.select(t.uuid, t.metadata, t.flavor).where(
            t.host == host, t.deleted.is_(False), allowed)).all()
    return [row.uuid for row in rows if policy(row.metadata, row.flavor) == EVACUATE]


def _force_down(cell: Cell, service: dict[str, Any], fence: dict[str, Any], lease: float) -> bool:
    """False: the host was heard again, or started anew, since it was fenced."""
    s = services.services
    same = sa.true() if fence["incarnation"] is None else s.c.incarnation == fence["incarnation"]
    return cell.database.run(lambda conn: conn.execute(s.update().where(
        s.c.uuid == service["uuid"], same, s.c.last_seen < db_now() - lease).values(
        forced_down=True, updated_at=db_now())).rowcount == 1)
