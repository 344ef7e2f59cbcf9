# SPDX-License-Identifier: Apache-2.0
"""What a host does when its hypervisor and its cell differ: whose guest goes, whose state is told, who is stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova import concurrency, conf, states
from nova.compute.reconcile import Reconciler
from nova.compute.turns import Turns
from nova.virt import registry
from nova.virt.types import GuestSpec, PowerState
from tests.unit.compute.cell import CellInMemory


@dataclasses.dataclass
class Bench:
    driver: Any
    cell: CellInMemory
    turns: Turns
    reconciler: Reconciler

    def guest(self, *, running: bool = True) -> str:
        uuid = concurrency.uuid4()
        self.driver.spawn(GuestSpec(uuid=uuid, name=f"instance-{uuid}", display_name="vm", vcpus=1, memory_mb=64,
                                    root_gb=1))
        if not running:
            self.driver.power_off(uuid)
        return uuid

    def server(self, *, running: bool = True, **values: Any) -> str:
        uuid = self.guest(running=running)
        self.cell.add(uuid, **values)
        return uuid

    def power(self, uuid: str) -> PowerState:
        found: PowerState = self.driver.info(uuid).power_state
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    driver = registry.load("fake", conf.load("nova-test", [], [], cfg.ConfigOpts()), "host1", tmp_path)
    driver.start()
    cell = CellInMemory()
    turns = Turns(lambda fn, *args: fn(*args))
    yield Bench(driver, cell, turns, Reconciler("host1", driver, cell, turns))  # type: ignore[arg-type]
    driver.stop()


# -- whose guest goes ------------------------------------------------------------------------------------------------


def test_guests_whose_servers_are_gone_or_unknown_go_at_the_start(bench: Bench) -> None:
    mine, deleted, nobodys = bench.server(), bench.server(deleted=True), bench.guest()
    bench.reconciler.at_start()
    assert bench.driver.list() == [mine]
    assert {deleted, nobodys}.isdisjoint(bench.driver.list())


def test_a_guest_whose_server_is_another_hosts_is_left_to_the_operation_that_moves_it(bench: Bench) -> None:
    """The cell says that the server lives: this guest is not of nobody."""
    moved = bench.server(host="host2")
    assert bench.reconciler.strangers() == [moved]
    assert bench.reconciler.remove([moved]) == []
    assert bench.driver.list() == [moved]


def test_a_hint_that_comes_while_the_cell_is_silent_is_left_to_the_next_check(bench: Bench) -> None:
    uuid = bench.guest()
    bench.cell.silent = True
    bench.reconciler.tidy(uuid)
    bench.cell.silent = False
    assert bench.driver.list() == [uuid]
    bench.reconciler.tidy(uuid)
    assert bench.driver.list() == []


def test_a_guest_that_resists_holds_up_nobody(bench: Bench) -> None:
    one, other = sorted(bench.guest() for _ in range(2))
    bench.driver.knobs.fail("destroy", times=1)
    bench.reconciler.at_start()
    assert bench.driver.list() == [one] or bench.driver.list() == [other]
    assert bench.reconciler.remove_suspects() == [] and len(bench.reconciler.remove_suspects()) == 1
    assert bench.driver.list() == []


def test_a_guest_that_is_on_its_way_is_no_stranger(bench: Bench) -> None:
    """The record still names the other host, which this one may not read."""
    coming = bench.guest()
    bench.cell.moving = [coming]
    assert bench.reconciler.strangers() == [] and bench.reconciler.remove([coming]) == []
    bench.cell.moving = []
    assert bench.reconciler.remove(bench.reconciler.strangers()) == [coming]


def test_a_guest_whose_server_has_an_operation_here_is_left_alone(bench: Bench) -> None:
    building = bench.guest()
    bench.turns.enter("op", building, lambda: None)
    assert bench.reconciler.remove(bench.reconciler.strangers()) == []
    bench.turns.serve(building)
    assert bench.reconciler.remove(bench.reconciler.strangers()) == [building]


def test_a_periodic_check_removes_only_what_two_passes_did_not_know(bench: Bench) -> None:
    late = bench.guest()
    assert bench.reconciler.remove_suspects() == []
    bench.cell.add(late)  # its record came between the passes
    stranger = bench.guest()
    assert bench.reconciler.remove_suspects() == []
    assert bench.reconciler.remove_suspects() == [stranger]
    assert bench.driver.list() == [late]


def test_what_became_known_since_it_was_suspected_is_not_removed(bench: Bench) -> None:
    guest = bench.guest()
    suspects = bench.reconciler.strangers()
    bench.cell.add(guest)
    assert bench.reconciler.remove(suspects) == [] and bench.driver.list() == [guest]


# -- power states ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("vm_state", "running", "after", "runs"), [
    (states.ACTIVE, True, states.ACTIVE, True), (states.STOPPED, False, states.STOPPED, False),
    (states.ACTIVE, False, states.STOPPED, False),  # it stopped by itself
    (states.STOPPED, True, states.STOPPED, False),  # it runs though it should not
    (states.ERROR, False, states.ERROR, False), (states.ERROR, True, states.ERROR, True),
    (states.PAUSED, True, states.ACTIVE, True), (states.SUSPENDED, False, states.STOPPED, False),
    (states.SHELVED, True, states.SHELVED, False), (states.RESCUED, False, states.RESCUED, False)])
def test_who_follows_whom(bench: Bench, vm_state: str, running: bool, after: str, runs: bool) -> None:
    uuid = bench.server(running=running, vm_state=vm_state)
    bench.reconciler.sync_power_states()
    assert bench.cell.servers[uuid].vm_state == after
    assert (bench.power(uuid) == PowerState.RUNNING) is runs


def test_an_operator_may_have_guests_that_run_unasked_left_alone(bench: Bench) -> None:
    uuid = bench.server(vm_state=states.STOPPED, power_state=states.SHUTDOWN)
    Reconciler("host1", bench.driver, bench.cell, bench.turns, cut=False).sync_power_states()  # type: ignore[arg-type]
    assert bench.power(uuid) == PowerState.RUNNING
    assert bench.cell.servers[uuid].vm_state == states.STOPPED


def test_guests_may_be_started_with_their_host(bench: Bench) -> None:
    """Those of active servers; what cannot be started is stopped, as without."""
    off, on, stopped = bench.server(running=False), bench.server(), bench.server(running=False, vm_state=states.STOPPED)
    bench.cell.add("lost")
    begun: list[str] = []

    def revive(server: Any) -> None:
        begun.append(server.uuid)
        bench.driver.power_on(server.uuid)

    host = Reconciler("host1", bench.driver, bench.cell, bench.turns, revive=revive)  # type: ignore[arg-type]
    host.at_start()
    assert begun == [off, "lost"]
    assert [bench.power(u) == PowerState.RUNNING for u in (off, on, stopped)] == [True, True, False]
    assert [bench.cell.servers[u].vm_state for u in (off, on, stopped, "lost")] == ["active", "active", "stopped",
                                                                                   "stopped"]
    bench.driver.power_off(off)
    host.sync_power_states()
    assert bench.cell.servers[off].vm_state == states.STOPPED  # only when the host begins


def test_a_guest_that_is_gone_makes_its_server_stopped(bench: Bench) -> None:
    bench.cell.add("lost")
    bench.reconciler.sync_power_states()
    lost = bench.cell.servers["lost"]
    assert (lost.vm_state, lost.power_state) == (states.STOPPED, states.NOSTATE)


def test_only_what_differs_is_told_and_all_of_it_in_one_call(bench: Bench) -> None:
    bench.server()
    differ = {bench.server(power_state=0), bench.server(running=False, vm_state=states.STOPPED)}
    bench.reconciler.sync_power_states()
    assert [set(told) for told in bench.cell.told] == [differ]
    bench.reconciler.sync_power_states()
    assert len(bench.cell.told) == 1


@pytest.mark.parametrize("values", [{"task_state": "powering-off"}, {"vm_state": states.BUILDING}])
def test_a_server_at_work_is_not_judged(bench: Bench, values: dict[str, Any]) -> None:
    bench.server(running=False, **values)
    bench.reconciler.sync_power_states()
    assert bench.cell.told == [] and bench.cell.saved == []


def test_a_server_with_an_operation_here_is_not_judged(bench: Bench) -> None:
    uuid = bench.server(running=False)
    bench.turns.enter("op", uuid, lambda: None)
    bench.reconciler.sync_power_states()
    assert bench.cell.told == [] and bench.cell.saved == []


def test_a_record_that_changed_since_it_was_listed_is_not_overruled(bench: Bench) -> None:
    """The list is a moment old; what an operation did since is newer than what the list says."""
    uuid = bench.server(running=False)
    bench.cell.listed = [bench.cell.servers[uuid].obj_clone()]
    bench.cell.servers[uuid].epoch = 2
    bench.reconciler.sync_power_states()
    assert bench.cell.saved == [] and bench.cell.servers[uuid].vm_state == states.ACTIVE
