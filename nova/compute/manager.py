# SPDX-License-Identifier: Apache-2.0
"""The manager of one host: registers it, takes and runs its operations, keeps hypervisor and cell equal."""

from __future__ import annotations

import logging
from typing import Any

from nova import concurrency, errors
from nova.clients.journal import StoreJournal
from nova.compute.chores import Chores
from nova.compute.environment import HostEnvironment, Networking, Upload
from nova.compute.epochs import Epochs
from nova.compute.errands import Errands
from nova.compute.lonely import Lonely
from nova.compute.reconcile import Reconciler
from nova.compute.reports import Reporter
from nova.compute.settings import Settings
from nova.compute.turns import Recent, Turns
from nova.compute.watching import Watching
from nova.compute.workflows import WORKFLOWS
from nova.concurrency.periodic import Periodic
from nova.objects.operation import Operation
from nova.objects.service import Service
from nova.objects.store import Store
from nova.objects.work import Work
from nova.virt import diagnostics
from nova.virt.interfaces import Console, Diagnostics, Injection
from nova.virt.types import Nic
from nova.workflow import Result, Row, Run, Runner, Workflows

LOG = logging.getLogger(__name__)
#: Seconds between two attempts to register: at the start of a whole site hosts come before their conductor.
_REGISTER_AGAIN = 0.5
#: Operations that make a guest here, and may be sent elsewhere meanwhile.
_BUILDING = ("create", "unshelve")


class ComputeManager:
    """``nudge(row)`` tells the orchestrators of the cell that a row was handed on; they tell the other host of a move.
    """

    def __init__(self, settings: Settings, driver: Any, store: Store, networking: Networking, nudge: Any,
                 upload: Upload, inventory_changed: Any = lambda: None, workflows: Workflows = WORKFLOWS) -> None:
        self.settings, self.driver = settings, driver
        self._store, self._networking, self._upload = store, networking, upload
        self.service = Service.new(uuid=concurrency.uuid4(), host=settings.host, binary="nova-compute",
                                   topic="compute", version=settings.version, incarnation=concurrency.uuid4())
        self._workflows = workflows
        self._runner = Runner(StoreJournal(store), workflows, level="host", host=settings.host, nudge=nudge)
        self._epochs = Epochs(settings.state_path / "epochs")
        self._reporter = Reporter(settings, driver, store, inventory_changed)
        self._pool = concurrency.make_pool(settings.workers, f"compute-{settings.host}")
        self._turns = Turns(self._pool.submit, lambda operation: self._watching.let_go(operation))
        self._recent = Recent()
        self._errands = Errands(self._turns, self._pool.submit, self._epochs.admit)
        self._watching = Watching(store, settings.live_migrations, lambda *row: self._pool.submit(self._take, *row))
        self._reconciler = Reconciler(settings.host, driver, store, self._turns, cut=settings.stop_unexpected,
                                      action=settings.strangers,
                                      revive=self._revive if settings.revive else None)
        self._lonely = Lonely(settings.state_path / "evacuate", driver, settings.fence_after)
        self._chores = Chores(driver, self._epochs, self._here, settings.aging)
        self._stop = concurrency.Event()
        life = f"compute-{settings.host}"
        self._periodics = [Periodic(f"{life}-life", self._until_next_life, self._live, at_once=True),
                           Periodic(f"{life}-keep", settings.report, self.check),
                           *([Periodic(f"{life}-lonely", settings.scan, self._lonely.check)]
                             if settings.fence_after else [])]
        self._registered = False
        self._synced_at = concurrency.monotonic()

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect the driver, then register; a conductor that is not there yet is waited for in the background."""
        self.driver.start()
        self._reconciler.listen()
        for periodic in self._periodics:
            periodic.start()

    def stop(self) -> None:
        """No new work; operations in hand may end their step, the rest waits in its rows."""
        self._stop.set()
        for periodic in self._periodics:
            periodic.stop(10)
        self._pool.drain(30)
        self._pool.stop(1)
        self.driver.stop()

    def _live(self) -> None:
        """Heartbeats, and the rows of this host that nobody told us of."""
        if not self._registered:
            self._register()
        self._store.service_heartbeat(self.service.uuid, self.service.incarnation or "")
        self.scan()

    def _until_next_life(self) -> float:
        return self.settings.scan if self._registered else min(self.settings.scan, _REGISTER_AGAIN)

    def _register(self) -> None:
        registered = self._store.service_register(self.service)
        self.service.uuid = registered.uuid
        self._reporter.report()
        if self._lonely.heard():
            self._return()
        self._reconciler.at_start()
        self._learn()
        self._registered = True

    def _learn(self) -> None:
        if self.settings.fence_after:
            self._lonely.learn(self._store.instances_on_host(self.settings.host), all_of_host=True)

    def _here(self) -> set[str]:
        """The servers that the cell has here or that are at work here."""
        servers = {server.uuid for server in self._store.instances_on_host(self.settings.host)}
        return servers | set(self.driver.list()) | set(self._turns.servers)

    def check(self) -> None:
        """Tell the inventory when it changed and power states when they differ; remove guests of nobody.

        Not before this host has registered: what registering looks at must not be in the hands of a check then.
        """
        if not self._registered:
            return
        self._reporter.report()
        self._reconciler.remove_suspects()
        if concurrency.monotonic() - self._synced_at >= self.settings.power_sync:
            self._synced_at = concurrency.monotonic()
            self._reconciler.sync_power_states()
        self._learn()
        self._chores.check()

    @property
    def ready(self) -> bool:
        return self._registered

    # -- operations ----------------------------------------------------------------------------------------------------

    def scan(self) -> None:
        """Take what is due here; this alone moves every row when all messages are lost."""
        works = self._store.operations_due(self.settings.host, self.service.incarnation or "",
                                           self._turns.operations)
        if self._lonely.heard():
            self._return()
        for work in works:
            if self._enter(work):
                self._pool.submit(self._turns.serve, work.operation.instance_uuid)

    def _return(self) -> None:
        """From having been cut off for long: what moved away goes before anything else, the rest runs again."""
        self._reconciler.remove(self._reconciler.strangers())
        self._lonely.revive(self._store.instances_on_host(self.settings.host))

    def look(self, operations: list[list[Any]]) -> None:
        """Take each [uuid, epoch] if it is still there, and run it."""
        for uuid, epoch in operations:
            self._watching.ring(uuid)
            self._pool.submit(self._take, uuid, epoch)

    def begin(self, incarnation: str, works: list[Work]) -> None:
        """Run what was given to this start of this host. A message that comes late or again is not listened to: the
        rows tell what there is to do."""
        if incarnation != self.service.incarnation or self._stop.is_set() or not self._registered:
            LOG.debug("host %s: work for another start is left to its rows", self.settings.host)
            return
        for work in works:
            operation = work.operation
            if self._recent.new(operation.uuid, operation.epoch) and self._enter(work, again=True):
                self._pool.submit(self._turns.serve, operation.instance_uuid)

    def _revive(self, server: Any) -> None:
        self._networking.plug(server.uuid, server.network_info or [])
        self.driver.power_on(server.uuid)

    def settle(self, uuid: str) -> None:
        """Compare a server's record with its guest, when what is done to it now has ended."""
        if self._registered and self._turns.enter(
                f"settle {uuid}", uuid, lambda: self._reconciler.settle(uuid), again=True):
            self._pool.submit(self._turns.serve, uuid)

    def _take(self, uuid: str, epoch: int) -> None:
        """A host that has not registered yet has no lease to take anything under."""
        if self._turns.has(uuid) or self._stop.is_set() or not self._registered:
            return
        try:
            work = self._store.operation_take(uuid, epoch, self.service.incarnation or "")
        except errors.NovaError as e:
            LOG.info("operation %s will be found by the next scan: %s", uuid, e.message)
            return
        if work is not None and self._enter(work):
            self._turns.serve(work.operation.instance_uuid)

    def _enter(self, work: Work, *, again: bool = False) -> bool:
        """Into the server's line; from now on earlier owners of the server are refused here. ``again``: the operation
        may have come back before the step that it left with has ended here."""
        operation = work.operation
        if self._recent.ended(operation.uuid, operation.epoch):
            return False
        self._epochs.admit(operation.instance_uuid, operation.epoch)
        self._lonely.learn([work.instance])
        self._watching.ring(operation.instance_uuid)
        if operation.action == "delete":
            self.driver.hurry(operation.instance_uuid)
        return self._turns.enter(operation.uuid, operation.instance_uuid, lambda: self._run(work), again=again)

    def _run(self, work: Work) -> None:
        operation = work.operation
        if self._stop.is_set() or self._recent.ended(operation.uuid, operation.epoch):
            return
        if not self._epochs.admit(operation.instance_uuid, operation.epoch):
            LOG.info("operation %s is refused: a later owner of server %s was here", operation.uuid,
                     operation.instance_uuid)
            return
        row = _row(operation, self.settings.host)
        self._recent.new(operation.uuid, operation.epoch)
        self._runner.run(row, self._environment(work))
        if row.state not in ("open", "undoing") or (row.level, row.host) != ("host", self.settings.host):
            self._recent.end(operation.uuid, operation.epoch)
        elif operation.action in _BUILDING:
            self._reconciler.remove_if_stranger(operation.instance_uuid)
        if operation.action == "delete" and row.level == "api":
            self._epochs.forget(operation.instance_uuid)

    def _environment(self, work: Work) -> HostEnvironment:
        operation = work.operation
        return HostEnvironment(
            self.settings.host, self.driver, self._networking, self.settings.shutdown_timeout, work,
            lambda what, percent: None,
            lambda: self._watching.turn(operation.uuid, operation.instance_uuid, operation.epoch), self._upload)

    def errand(self, work: Work) -> dict[str, Any]:
        """Do the one step that the API level asks for; it records what came of it, this host does not."""
        if self._stop.is_set() or not self._registered:
            raise errors.Unavailable(f"Host {self.settings.host} is not ready.")
        self._lonely.learn([work.instance])
        return self._errands.run(work, self._act)

    def _act(self, work: Work) -> Result:
        operation = work.operation
        step = self._workflows[operation.action].step(operation.step or "")
        if not step.errand:
            raise errors.Forbidden(f"Step {step.name} of {operation.action} is no errand.")
        name = f"{operation.action}.{step.name}"
        concurrency.checkpoint(f"errand:{name}:before")
        result = step.act(Run(_row(operation, self.settings.host), self._environment(work))) or Result()
        concurrency.checkpoint(f"errand:{name}:after")
        return result

    def tidy(self, uuids: list[str]) -> None:
        """Look whether these servers have left something here."""
        for uuid in uuids:
            self._pool.submit(self._reconciler.tidy, uuid)

    def strangers(self) -> dict[str, list[str]]:
        """What belongs to no server of this host, by uuid: guests, and disks that were set aside."""
        return {"guests": self._reconciler.strangers(), "disks": self._reconciler.unwanted_copies()}

    # -- questions -----------------------------------------------------------------------------------------------------

    def console_output(self, uuid: str, length: int | None) -> str:
        self.driver.require(Console)
        text: str = self.driver.console_log(uuid, length)
        return text

    def diagnostics(self, uuid: str, common: bool) -> dict[str, Any]:
        """In the form that all drivers share, or in the flat one of old."""
        self.driver.require(Diagnostics)
        found = self.driver.diagnostics(uuid)
        return diagnostics.common(found) if common else dict(diagnostics.counters(found))

    def inject_network_info(self, uuid: str, vifs: list[dict[str, Any]]) -> None:
        self.driver.require(Injection)
        self.driver.inject_network_info(uuid, tuple(Nic.from_vif(vif) for vif in vifs))


def _row(operation: Operation, host: str) -> Row:
    return Row(uuid=operation.uuid, instance_uuid=operation.instance_uuid, action=operation.action,
               step=operation.step or "", level="host", host=host, epoch=operation.epoch, state=operation.state,
               version=operation.workflow_version, owner=operation.owner, inputs=operation.inputs,
               step_data=operation.step_data, actor=operation.actor, fault=operation.fault,
               attempt=operation.attempt, project_id=operation.project_id or "",
               request_id=operation.request_id or "")
