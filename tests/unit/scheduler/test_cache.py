# SPDX-License-Identifier: Apache-2.0
"""Host states in memory: built of parts, refreshed by versions, consumed at once, reconciled slowly."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nova import concurrency
from nova.concurrency import threads
from nova.scheduler.cache import HostStateCache
from nova.scheduler.changes import CellAnswer, Changes, Metadata, Node, Provider, Service
from nova.scheduler.hosts import Inventory
from tests.unit.scheduler.build import spec

SMALL = {"VCPU": 1, "MEMORY_MB": 512}


class World:
    """A source whose content a test sets; it gives only what changed since, like the databases do."""

    def __init__(self, hosts: int = 2) -> None:
        self.clock = 100.0
        self.providers = {f"u{n}": self.provider(f"u{n}") for n in range(hosts)}
        self.stamps = dict.fromkeys(self.providers, 100.0)
        self.nodes = {f"u{n}": Node(f"u{n}", f"h{n}", f"n{n}", "cell1") for n in range(hosts)}
        self.services = {f"h{n}": Service(up=True) for n in range(hosts)}
        self.aggregates: dict[str, Metadata] = {}
        self.silent = self.cell_disabled = False
        self.readings: list[tuple[float | None, list[str]]] = []

    @staticmethod
    def provider(uuid: str, generation: int = 1, used: int = 0) -> Provider:
        return Provider(uuid, generation, {"VCPU": Inventory(8, used), "MEMORY_MB": Inventory(8192, used * 512)},
                        frozenset({"T"}), used)

    def claim(self, uuid: str, used: int) -> None:
        self.providers[uuid] = self.provider(uuid, self.providers[uuid].generation + 1, used)
        self.stamps[uuid] = self.clock

    def read(self, since: float | None, known: Mapping[str, int], doubtful: Collection[str]) -> Changes:
        given = [p for uuid, p in self.providers.items() if uuid in doubtful or
                 ((since is None or self.stamps[uuid] > since) and known.get(uuid) != p.generation)]
        self.readings.append((since, [p.uuid for p in given]))
        nodes = tuple(self.nodes.values()) if since is None else ()
        answer = CellAnswer(nodes, dict(self.services), self.cell_disabled)
        return Changes(self.clock, since is None, tuple(given), {"cell1": None if self.silent else answer},
                       dict(self.aggregates))


def free(cache: HostStateCache, uuid: str = "u0", max_age: float | None = 0) -> int:
    return next(h.free["VCPU"] for h in cache.snapshot(max_age) if h.uuid == uuid)


def by_host(cache: HostStateCache) -> dict[str, Any]:
    return {h.host: h for h in cache.snapshot(0)}


def test_a_host_is_the_sum_of_what_placement_cell_and_aggregates_say() -> None:
    world = World(1)
    world.nodes["u0"] = Node("u0", "h0", "n0", "cell1", "QEMU", 7002000, (("x86_64", "qemu", "hvm"),))
    world.services["h0"] = Service(True, True, "repair", 3)
    world.aggregates["h0"] = {"availability_zone": frozenset({"az2"}), "ssd": frozenset({"true"})}
    world.claim("u0", 2)
    (state,) = HostStateCache(world).snapshot()
    assert (state.uuid, state.host, state.node, state.cell_uuid) == ("u0", "h0", "n0", "cell1")
    assert (state.up, state.disabled, state.disabled_reason, state.num_io_ops) == (True, True, "repair", 3)
    assert (state.availability_zone, state.aggregates["ssd"]) == ("az2", frozenset({"true"}))
    assert (state.free, state.num_instances) == ({"VCPU": 6, "MEMORY_MB": 7168}, 2)
    assert (state.hypervisor_type, state.hypervisor_version, state.traits) == ("QEMU", 7002000, frozenset({"T"}))


def test_only_what_changed_is_read_again_within_an_overlapping_window() -> None:
    world = World(3)
    cache = HostStateCache(world, overlap=15)
    cache.snapshot()
    world.clock = 200.0
    cache.refresh()
    world.clock = 201.0
    world.claim("u1", 4)
    cache.refresh()
    assert world.readings == [(None, ["u0", "u1", "u2"]), (85.0, []), (185.0, ["u1"])]
    assert free(cache, "u1") == 4


def test_a_claim_that_became_visible_late_is_still_noticed() -> None:
    """Stamped before the former reading, committed after it: the overlap finds it."""
    world = World()
    cache = HostStateCache(world, overlap=15)
    world.clock = 200.0
    cache.refresh()
    world.clock = 195.0
    world.claim("u0", 3)
    world.clock = 201.0
    assert free(cache) == 5


def test_states_are_kept_until_they_are_too_old() -> None:
    world = World()
    cache = HostStateCache(world, max_age=60)
    cache.snapshot()
    cache.snapshot()
    assert len(world.readings) == 1
    cache.snapshot(0)
    assert len(world.readings) == 2


def test_an_outdated_view_is_read_again_whatever_its_age() -> None:
    world = World()
    cache = HostStateCache(world, max_age=60)
    cache.snapshot()
    cache.outdate()
    cache.snapshot()
    assert len(world.readings) == 2


def test_own_decisions_count_at_once_and_the_claims_row_replaces_them() -> None:
    world = World()
    cache = HostStateCache(world, max_age=60)
    before = cache.snapshot()
    cache.consume("u0", SMALL)
    assert free(cache, max_age=None) == 7
    assert [h.free["VCPU"] for h in before] == [8, 8]  # a snapshot in use does not change
    assert free(cache) == 7  # the claim is not visible yet: its row has the old generation
    world.claim("u0", 1)
    assert free(cache) == 7
    cache.consume("nowhere", SMALL)


def test_a_refused_claim_is_forgotten_at_the_next_reading_which_is_due() -> None:
    world = World()
    cache = HostStateCache(world, max_age=60)
    cache.snapshot()
    world.clock = 500.0
    cache.refresh()
    cache.consume("u0", SMALL)
    cache.forget("u0")
    assert free(cache, max_age=None) == 8
    assert world.readings[-1] == (485.0, ["u0"])


def test_a_full_reading_drops_hosts_that_are_gone() -> None:
    world = World(3)
    cache = HostStateCache(world)
    cache.snapshot()
    del world.nodes["u1"], world.providers["u2"]
    assert set(by_host(cache)) == {"h0", "h1", "h2"}
    cache.refresh(full=True)
    assert set(by_host(cache)) == {"h0"}


def test_a_full_reading_comes_by_itself_after_its_interval() -> None:
    world = World()
    cache = HostStateCache(world, full_interval=0.0)
    cache.refresh()
    cache.refresh()
    assert [since for since, _ in world.readings] == [None, None]


def test_services_cells_and_aggregates_show_in_the_next_snapshot() -> None:
    world = World()
    cache = HostStateCache(world)
    assert all(h.up and not h.disabled for h in cache.snapshot())
    world.services["h0"] = Service(up=False)
    world.services["h1"] = Service(up=True, disabled=True)
    world.aggregates["h1"] = {"availability_zone": frozenset({"b", "a"})}
    hosts = by_host(cache)
    assert (hosts["h0"].up, hosts["h1"].disabled, hosts["h1"].availability_zone) == (False, True, "a")
    world.cell_disabled = True
    assert all(h.cell_disabled for h in by_host(cache).values())
    world.aggregates.clear()
    assert by_host(cache)["h1"].availability_zone == "nova"


def test_hosts_of_a_silent_cell_are_down_and_come_back() -> None:
    world = World()
    cache = HostStateCache(world)
    cache.snapshot()
    world.silent = True
    cache.refresh(full=True)
    assert [h.up for h in cache.snapshot()] == [False, False]
    world.silent = False
    assert [h.up for h in by_host(cache).values()] == [True, True]


def test_failed_builds_count_until_one_succeeds() -> None:
    cache = HostStateCache(World(), max_age=60)
    cache.snapshot()
    cache.build_ended("h0", failed=True)
    cache.build_ended("h0", failed=True)
    assert {h.host: h.failed_builds for h in cache.snapshot()} == {"h0": 2, "h1": 0}
    cache.build_ended("h0", failed=False)
    assert {h.failed_builds for h in cache.snapshot()} == {0}


def test_servers_are_located_by_their_providers() -> None:
    cache = HostStateCache(World())
    cache.snapshot()
    names = cache.names({"a": "u0", "b": "u1", "c": "unknown"})
    assert names == {"a": "h0", "b": "h1"}
    request = spec(instance_uuid="a", scheduler_hints={"same_host": "b"}, group={
        "uuid": "g", "policy": "anti-affinity", "members": ["a", "b", "c"]})
    assert request.named_servers() == {"b", "c"}
    placed = request.at(names)
    assert placed.located == {"b": "h1"} and placed.group is not None and placed.group.hosts == {"h1": 1}


def test_readers_and_consumers_side_by_side_lose_nothing() -> None:
    with concurrency.using(threads.ThreadBackend()):
        world = World(4)
        cache = HostStateCache(world, max_age=60)
        cache.snapshot()

        def work(uuid: str) -> None:
            for _ in range(200):
                cache.consume(uuid, {"VCPU": 1})
                cache.snapshot()
                cache.refresh()

        tasks = [concurrency.spawn(work, f"u{n}") for n in range(4)]
        assert all(task.join(120) for task in tasks)
        assert {h.inventories["VCPU"].used for h in cache.snapshot()} == {200}


