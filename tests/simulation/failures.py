# SPDX-License-Identifier: Apache-2.0
"""Hosts that stop for good in the middle of a life: noticed, fenced and evacuated; what they do when they return.

A machine dies, or its service alone does, or it is cut off from its cell and runs on. The outlet that fences it does
not always work at once, and may switch off and fail to say so. Servers with the policy are not started elsewhere before
their host is off; a host that returns has let go of what left it before it does anything else.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import orjson

from nova import concurrency, errors, states
from nova.conductor import fencing
from nova.db.api import host_drains, host_fences
from nova.db.cell.tables import services
from nova.objects.availability import EVACUATE, KEY
from nova.virt.fake.guests import FakeGuest, GuestFile
from tests.simulation.chaos import Chaos

PLUG_IN = "outlet"
#: Metadata of a server that is to be started elsewhere.
WANTS = {KEY: EVACUATE}
#: What a cloud needs to look for hosts that fail, and to find them soon.
CONF = {"ha.enabled": True, "ha.fencing": PLUG_IN, "ha.fence_retry": 2.0, "service_down_time": 20.0}
FOREVER = 10_000.0
#: Why a server may stay where it was: its state does not allow it, or hosts refuse it. That there is no other host at a
#: moment is none.
STAYS = ("while it is in", "Told to fail", "was started again")


@dataclasses.dataclass
class Failures(fencing.Fencing):
    """The failures of one life, and its outlet. ``away``: host → until when it is not to come back."""

    chaos: Chaos
    away: dict[str, float] = dataclasses.field(default_factory=dict)
    asked: int = 0
    came_back: int = 0

    def begin(self) -> None:
        """Start the cloud and look on: what must not happen fails the seed when it does."""
        chaos = self.chaos
        fencing.BUILTIN[PLUG_IN] = lambda conf: self
        dies = chaos.sim.crash

        def passed(label: str, node: str) -> bool:
            if label in ("step:evacuate.rebuild:before", "step:evacuate.rebuild:after"):
                self._check_sources(node)
            return dies(label, node)

        chaos.sim.crash = passed
        chaos.begin()
        for host in sorted(chaos.cloud.hosts):
            start = chaos.starters[host]
            chaos.starters[host] = lambda host=host, start=start: self._return(host, start)
        if chaos.sim.rng.random() < 0.7:
            concurrency.spawn(self._take_back, name="take-back")

    # -- what happens to hosts -----------------------------------------------------------------------------------------

    def strike(self) -> None:
        """A host is not heard of any more, for a while or to the end. Others are heard: signs of life are messages."""
        chaos, rng = self.chaos, self.chaos.sim.rng
        chaos.faults.drop = min(chaos.faults.drop, 0.3)
        host = rng.choice(sorted(chaos.cloud.hosts))
        self.away[host] = chaos.sim.clock + rng.choice([rng.uniform(10.0, 60.0), FOREVER])
        how = rng.choice(["machine", "service", "line"])
        if how == "line":
            chaos.faults.cut.add(host)
            concurrency.spawn(self._mend, host, name="mend-line")
        elif how == "machine":
            self.switch_off(host)
        elif host not in chaos.down:
            chaos.sim.kill(host)
        self._stays_away(host)

    def _stays_away(self, host: str) -> None:
        if host in self.chaos.down and host in self.away:
            self.chaos.down[host] = self.away[host]

    def _mend(self, host: str) -> None:
        while self.chaos.sim.clock < self.away.get(host, 0.0):
            concurrency.sleep(1.0)
        self.chaos.faults.cut.discard(host)

    def switch_off(self, host: str) -> None:
        """The machine has no power: nothing runs there, and nothing that is sent to it arrives."""
        chaos, directory = self.chaos, self._directory(host)
        if host not in chaos.down:
            chaos.sim.kill(host)
            self._stays_away(host)
        chaos.faults.cut.discard(host)
        file = GuestFile(directory / "guests.journal")
        file.load()
        for guest in file.all():
            file.save(_off(guest))
        file.close()
        inbox = directory / "incoming"
        if inbox.is_dir():
            for path in inbox.iterdir():
                if path.suffix != ".new":
                    path.write_bytes(orjson.dumps(_off(FakeGuest(**orjson.loads(path.read_bytes())))))
            inbox.rename(directory / "incoming.off")

    def fence(self, host: str) -> str | None:
        """See :class:`nova.conductor.fencing.Fencing`."""
        self.asked += 1
        draw = self.chaos.sim.rng.random()
        if draw < 0.2:
            raise errors.HostFailure("The outlet does not answer.")
        if draw < 0.3:
            return None
        self.switch_off(host)
        if draw < 0.4:
            raise errors.HostFailure("The outlet's answer was lost.")
        return f"The outlet of {host} is off."

    # -- who returns ---------------------------------------------------------------------------------------------------

    def _return(self, host: str, start: Any) -> None:
        kept = self._directory(host) / "incoming.off"
        if kept.is_dir():
            kept.rename(kept.with_name("incoming"))
        left = self._strangers(host)
        start()
        manager = self.chaos.cloud.hosts[host].manager
        while not manager.ready:
            concurrency.sleep(0.1)
        self.came_back += 1
        if "destroy" not in "".join(self.chaos.conf.fake.fail_at or ()):
            still = left & self._strangers(host)
            assert not still, f"host {host} is back and has kept {still}, which left it"

    def _strangers(self, host: str) -> set[str]:
        """Guests of servers that are elsewhere, and not on their way to or from here."""
        cloud, found = self.chaos.cloud, set()
        moving = {row["instance_uuid"] for row in self.chaos.open_rows()}
        for guest in self._guests(host):
            server = cloud.server(guest.uuid)
            if guest.uuid not in moving and "_" not in guest.uuid and (server is None or server["host"] != host):
                found.add(guest.uuid)
        return found

    def _take_back(self) -> None:
        """An operator repairs what was fenced."""
        cloud = self.chaos.cloud
        while True:
            concurrency.sleep(5.0)
            for host, fence in self.fences().items():
                cell = cloud.cells.get(fence["cell_uuid"])
                with cell.database.read() as conn:
                    service = services.list(conn, host=host, binary="nova-compute")[0]
                if fence["state"] == host_fences.OVER and service["age"] < cloud.conf.lease:
                    cloud.api.run(lambda conn, h=host: host_fences.forget(conn, h))
                    cell.database.run(lambda conn, u=service["uuid"]: services.update(conn, u, forced_down=False))

    # -- truth ---------------------------------------------------------------------------------------------------------

    def _directory(self, host: str) -> pathlib.Path:
        directory: pathlib.Path = self.chaos.cloud.hosts[host].manager.driver.directory
        return directory

    def _guests(self, host: str) -> list[FakeGuest]:
        """What the hypervisor of a host has, whoever of our processes lives there."""
        guests: GuestFile = self.chaos.cloud.hosts[host].manager.driver.guests
        if host in self.chaos.down or guests._descriptor < 0:
            guests = GuestFile(self._directory(host) / "guests.journal")
            guests.load()
            guests.close()
        return guests.all()

    def _check_sources(self, node: str) -> None:
        """A server is being started on ``node``: it does not run where it was."""
        for row in self.chaos.open_rows():
            if row["action"] == "evacuate" and (row["step"], row["host"]) == ("rebuild", node):
                source, uuid = row["step_data"]["source_compute"], row["instance_uuid"]
                runs = [g for g in self._guests(source) if g.uuid == uuid and g.power_state == states.RUNNING]
                if runs:  # raised here it would be an error of the step
                    self.chaos.sim.errors.append(AssertionError(f"{uuid} is started on {node} and runs on {source}"))

    def fences(self) -> dict[str, dict[str, Any]]:
        with self.chaos.cloud.api.read() as conn:
            return host_fences.find(conn)

    def follow(self, servers: set[str]) -> None:
        """Wait until the hosts that are away are fenced and left by those of ``servers``, which all want it."""
        chaos, cloud = self.chaos, self.chaos.cloud
        chaos.budget = 0
        for host in [h for h, until in self.away.items() if until - chaos.sim.clock > FOREVER / 2]:
            here = {u for u in servers if (row := cloud.server(u)) and row["host"] == host}
            cloud.wait(lambda host=host, here=here: self._have_left(host, here), timeout=900,
                       what=f"{host} is fenced, and {here} have left it or have a reason")
        self.away.clear()

    def _have_left(self, host: str, servers: set[str]) -> bool:
        with self.chaos.cloud.api.read() as conn:
            drains = [d for d in host_drains.find(conn, host=host) if d["kind"] == "evacuation"]
            rows = [row for d in drains for row in host_drains.servers_of(conn, d["uuid"])]
        told = {row["instance_uuid"] for row in rows if any(why in (row["message"] or "") for why in STAYS)}
        shown = {uuid: server for uuid in servers - told if (server := self.chaos.cloud.server(uuid)) is not None}
        return all(server["host"] != host and server["task_state"] is None for server in shown.values())


def _off(guest: FakeGuest) -> FakeGuest:
    guest.power_state = int(states.SHUTDOWN)
    return guest
