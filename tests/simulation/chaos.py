# SPDX-License-Identifier: Apache-2.0
"""The same cloud under the deterministic backend: messages lost, repeated and delayed, nodes killed at any commit."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from nova.conductor.audit import Auditor
from nova.context import service_context
from nova.db.api import host_drains, host_fences
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES
from nova.images.query import Query
from nova.rpc.envelope import Sender
from nova.rpc.simulated import Faults, SimulatedBus
from tests.functional.cloud import Cloud, make_conf
from tests.simulation import databases

#: States in which a server has a guest on its host.
WITH_GUEST = frozenset({"active", "stopped", "paused", "suspended", "rescued", "resized", "shelved", "soft-delete"})


class Shared(Cloud):
    """All its nodes use one connection pool per database, also those of later seeds: within a transaction no other
    node runs."""

    def database(self, name: str) -> Database:
        database = databases.kept(name)
        if database not in self.databases:
            database.begin()
            self.databases.append(database)
        return database


@functools.cache
def _conf() -> cfg.ConfigOpts:
    """One for all seeds: to make and check one takes as long as a good part of a seed."""
    return make_conf(quota__instances=-1, quota__cores=-1, quota__ram=-1)


@functools.cache
def _overridden() -> set[tuple[str, str | None]]:
    """(option, group) that a seed has set otherwise."""
    return set()


@dataclasses.dataclass
class Chaos:
    """A cloud on a simulation. ``nodes`` can be killed and come back by themselves after a while. ``options``: what its
    configuration has otherwise, by name or group.name."""

    sim: Simulation
    path: Path
    cells: int = 1
    hosts: int = 2
    offload: int = -1
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.faults = Faults()
        self.buses: list[SimulatedBus] = []
        self.conf = _conf()
        self.conf.set_override("state_path", str(self.path))
        self.conf.set_override("shelved_offload_time", self.offload)
        for option, group in [("delay", "fake"), ("fail_at", "fake"), *_overridden()]:
            self.conf.clear_override(option, group)
        for name, value in self.options.items():
            group, _, option = name.rpartition(".")
            self.conf.set_override(option, value, group or None)
            _overridden().add((option, group or None))
        self.cloud = Shared(self.path, self.conf, databases.url, self._bus, cells_count=self.cells,
                            hosts_count=self.hosts)
        self.kills = 0
        self.budget = 0
        self.rate = 0.0
        self.down: dict[str, float] = {}
        self.starters: dict[str, Any] = {}
        self.sim.on_kill = self._killed
        self.sim.crash = self._crash

    def _bus(self, name: str, node: str, service: str) -> SimulatedBus:
        """What hosts say is theirs is held against their names, as on a real bus."""
        bus = SimulatedBus(self.sim, name, self.faults, call_timeout=10.0, sender=Sender(service, node))
        self.buses.append(bus)
        return bus

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        cloud = self.cloud
        cloud.setup()
        cloud.start_api()
        self.starters = {"scheduler": cloud.start_scheduler, "orchestrator": cloud.start_orchestrator}
        for row in cloud.rows[1:]:
            self.starters[f"conductor-{row['name']}"] = lambda n=row["name"]: cloud.start_cell_conductor(n)
        for i in range(self.hosts):
            self.starters[f"host{i + 1}"] = lambda i=i: cloud.start_host(f"host{i + 1}",
                                                                        f"cell{i % self.cells + 1}")
        for node in self.starters:
            self.boot_node(node)

    def begin(self) -> None:
        """Start everything and wait until the hosts are known; from then on who dies comes back by himself."""
        self.start()
        concurrency.spawn(self.revive, name="revive")
        self.cloud.wait_ready(timeout=120)

    def strike(self) -> None:
        """Draw what goes wrong from now on: messages, deaths, and in some stories what hosts refuse."""
        rng, faults = self.sim.rng, self.faults
        faults.drop = rng.choice([0.0, 0.2, 1.0])
        faults.duplicate = rng.choice([0.0, 0.3])
        faults.delay = rng.choice([0.0, 0.2, 3.0])
        faults.lose_call = rng.choice([0.0, 0.05])
        self.rate, self.budget = rng.choice([0.02, 0.05, 0.2]), rng.randrange(1, 9)
        if rng.random() < 0.4:
            self.refuse(rng.choice(["spawn:1", "spawn:2", "spawn", "destroy:1"]))

    def refuse(self, what: str) -> None:
        """``method:times``, or ``method`` for always: on every host, and again when one starts anew."""
        self.conf.set_override("fail_at", [what], "fake")
        method, _, times = what.partition(":")
        for service in self.cloud.hosts.values():
            service.manager.driver.knobs.fail(method, times=int(times or -1))

    def pause(self, longest: float) -> None:
        concurrency.sleep(self.sim.rng.uniform(0, longest))

    def boot_node(self, node: str) -> None:
        with self.sim.node(node):
            concurrency.spawn(self.starters[node], name=f"start-{node}")

    def _crash(self, label: str, node: str) -> bool:
        if self.budget <= 0 or node not in self.starters or self.sim.rng.random() >= self.rate:
            return False
        self.budget -= 1
        return True

    def _killed(self, node: str) -> None:
        self.kills += 1
        for bus in self.buses:
            bus.forget(node)
        self.down[node] = self.sim.clock + self.sim.rng.uniform(0.1, 25.0)

    def revive(self) -> None:
        """Bring back the nodes whose time has come; runs as a task of the story."""
        while True:
            concurrency.sleep(0.5)
            for node, when in list(self.down.items()):
                if self.sim.clock >= when:
                    del self.down[node]
                    self.boot_node(node)

    # -- truth ---------------------------------------------------------------------------------------------------------

    def open_rows(self) -> list[dict[str, Any]]:
        rows = []
        for database, tables in [(self.cloud.api, api_operations),
                                 *((c.database, cell_operations) for c in self.cloud.cells.all())]:
            o = tables.operations
            with database.read() as conn:
                rows += [dict(r) for r in conn.execute(sa.select(o).where(o.c.state.in_(OPEN_STATES))).mappings()]
        return rows

    def open_drains(self) -> list[dict[str, Any]]:
        with self.cloud.api.read() as conn:
            return host_drains.find(conn, state="open")

    def open_fences(self) -> list[dict[str, Any]]:
        with self.cloud.api.read() as conn:
            return [fence for fence in host_fences.find(conn).values() if fence["state"] != host_fences.OVER]

    def settle(self, timeout: float = 600.0) -> None:
        """Faults off, everybody back, until every operation, every drain and every fence has ended."""
        self.faults.drop = self.faults.duplicate = self.faults.delay = self.faults.lose_call = 0.0
        self.faults.cut.clear()
        self.budget = 0
        self.down = dict.fromkeys(self.down, self.sim.clock)
        end = self.sim.clock + timeout
        while (rows := self.open_rows()) or self.open_drains() or self.open_fences():
            if self.sim.clock > end:
                brief = [{k: r[k] for k in ("uuid", "action", "state", "level", "host", "step", "owner", "epoch",
                                            "due_at", "attempt")} for r in rows]
                raise AssertionError(f"operations have not ended: {brief}, nor drains: {self.open_drains()}, nor "
                                     f"fences: {self.open_fences()}")
            concurrency.sleep(1.0)
        self.cloud.wait(lambda: not self.down and all(s.manager.ready for s in self.cloud.hosts.values()), timeout=120,
                        what="every host is back")

    def insist(self, deleted: set[str]) -> None:
        """A host that refused made the delete fail with a reason: asked again when none does, it works. One that began
        anew would refuse once more."""
        for service in self.cloud.hosts.values():
            service.manager.driver.knobs.reset()
        for uuid in sorted(deleted):
            if self.cloud.server(uuid) is not None:
                rows = self.cloud.servers.operations(self.cloud.context(), uuid)
                row = next(row for row in rows if row["action"] == "delete")  # the server may have been stopped since
                assert (row["state"], row["fault"]["message"]) == ("failed", "Told to fail at destroy."), row
                self.cloud.operations.delete(self.cloud.context(), uuid)
        self.settle()

    def check(self, servers: list[str], deleted: set[str]) -> None:
        """Nothing leaked, nothing stuck: every server has its guest, or is in error with a fault, or gone."""
        cloud = self.cloud
        guests = {(uuid, name) for name, service in cloud.hosts.items() if self._alive(name)
                  for uuid in service.manager.driver.list()}
        rows: dict[str, Any] = {}
        for cell in cloud.cells.all():
            t = instances.instances
            with cell.database.read() as conn:
                rows |= {r["uuid"]: dict(r) for r in conn.execute(sa.select(t)).mappings()}
        for uuid in servers:
            try:
                row: dict[str, Any] | None = cloud.servers.show(cloud.context(), uuid)
            except errors.NotFound:
                row = None
            if uuid in deleted:
                assert row is None, f"{uuid} was deleted and is {row}"
                continue
            assert row is not None, f"{uuid} is lost"
            assert row["task_state"] is None, row
            if row["vm_state"] in WITH_GUEST:
                assert (uuid, row["host"]) in guests, f"{uuid} is on {guests}, not {row['host']}"
            elif row["vm_state"] != "shelved_offloaded":
                assert row["vm_state"] == "error" and row["fault"]["message"], row
        for service in cloud.hosts.values():
            service.manager.driver.knobs.reset()
            cloud.wait(lambda s=service: not s.manager._turns.operations and not s.manager._turns.servers, timeout=60,
                       what="a host has done with what was taken from it")
            service.manager._reconciler.at_start()
        left = {uuid for service in cloud.hosts.values() for uuid in service.manager.driver.list()}
        shown = {u: row for u in servers if u not in deleted and (row := cloud.server(u)) is not None}
        must = {u for u, row in shown.items() if row["vm_state"] in WITH_GUEST}
        may = {u for u, row in shown.items() if row["vm_state"] == "error" and row["host"]}
        assert must <= left <= must | may, (must, left, may)
        aside = [u for service in cloud.hosts.values() for u in service.manager.driver.list_aside()]
        resized = {u for u, row in shown.items() if row["vm_state"] == "resized"}
        assert len(aside) == len(set(aside)) and resized <= set(aside) <= resized | may, (aside, resized)
        assert (found := Auditor(cloud.api, cloud.cells).scan()) == [], found
        self.check_images({u for u, row in shown.items() if row["vm_state"].startswith("shelved")})

    def check_images(self, shelved: set[str]) -> None:
        """Every image has its bytes, and there is one of each shelved server."""
        images = self.cloud.images.list(service_context(), Query(filters=(("visibility", "all"),), limit=1000))
        assert {image.status for image in images} <= {"active"}, images
        assert shelved <= {str(image.properties["instance_uuid"]) for image in images}, (shelved, images)

    def _alive(self, name: str) -> bool:
        return name not in self.down
