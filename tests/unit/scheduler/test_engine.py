# SPDX-License-Identifier: Apache-2.0
"""The decision: ranking, alternates, reasons, and that the same snapshot gives the same table again."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from nova import errors
from nova.scheduler import explain, registry
from nova.scheduler.engine import Decision, Selection, decide
from nova.scheduler.hosts import HostState, Inventory
from nova.scheduler.spec import RequestSpec
from tests.unit.scheduler.build import group, host, make_options, spec


def run(request: RequestSpec, hosts: list[HostState], seed: int = 1, **overrides: Any) -> Decision:
    return decide(request, hosts, make_options(**overrides), random.Random(seed))


def ranking(decision: Decision) -> list[str]:
    return [state.host for state in decision.ranked.hosts]


def test_the_emptiest_host_is_selected_and_the_next_are_alternates() -> None:
    hosts = [host(f"h{n}", ram=1024 * n) for n in range(1, 6)]
    decision = run(spec(), hosts)
    assert ranking(decision) == ["h5", "h4", "h3", "h2", "h1"]
    assert decision.selected == Selection("uuid-h5", "h5", "h5", "cell1", "nova")
    assert [a.host for a in decision.alternates] == ["h4", "h3"]
    assert (decision.considered, decision.candidates, decision.reasons) == (5, 5, {})
    assert decision.weights["h5"] == 1.0 and decision.weights["h1"] == 0.0


def test_a_negative_multiplier_stacks() -> None:
    hosts = [host("full", ram=1024), host("empty", ram=4096)]
    assert ranking(run(spec(), hosts, filter_scheduler__ram_weight_multiplier=-1.0)) == ["full", "empty"]


def test_alternates_are_of_the_same_cell_and_as_many_as_attempts_allow() -> None:
    hosts = [host(f"h{n}", ram=10000 - n, cell_uuid=f"cell{n % 2}") for n in range(10)]
    assert [a.host for a in run(spec(), hosts).alternates] == ["h2", "h4"]
    assert [a.host for a in run(spec(), hosts, scheduler__max_attempts=4).alternates] == ["h2", "h4", "h6"]
    assert run(spec(), hosts, scheduler__max_attempts=1).alternates == ()


def test_after_a_refused_claim_the_next_host_brings_its_own_alternates() -> None:
    hosts = [host("a", ram=4000, cell_uuid="x"), host("b", ram=3000, cell_uuid="y"), host("c", ram=2000, cell_uuid="y")]
    ranked = run(spec(), hosts).ranked
    assert ranked.best is not None
    ranked = ranked.without(ranked.best)
    assert ranked.best is not None and ranked.best.host == "b"
    assert [a.host for a in ranked.alternates()] == ["c"]
    assert ranked.without(hosts[1]).without(hosts[2]).best is None


def test_each_host_is_counted_once_at_the_first_filter_that_refuses_it() -> None:
    hosts = [host(f"down{n}", up=False, ram=0) for n in range(3)] + [host(f"small{n}", ram=128) for n in range(4)]
    decision = run(spec(), [*hosts, host("good")])
    assert {label: entry["count"] for label, entry in decision.reasons.items()} == {"compute service": 3, "RAM": 4}
    assert decision.reasons["RAM"]["hosts"]["small0"] == "512 MB requested, 128 MB free"
    assert sum(entry["count"] for entry in decision.reasons.values()) + decision.candidates == decision.considered


def test_the_reasons_of_many_hosts_are_bounded_but_counted() -> None:
    decision = run(spec(), [host(f"h{n}", vcpu=0) for n in range(250)])
    assert decision.selected is None and decision.ranked.best is None
    assert decision.reasons["VCPU"]["count"] == 250
    assert len(decision.reasons["VCPU"]["hosts"]) == 100
    assert "and 150 more" in explain.table(decision)


def test_a_forced_host_passes_what_others_must_not_but_needs_room_and_life() -> None:
    forced = spec(force_host="h1", availability_zone="elsewhere", group=group("anti-affinity", {"h1": 1}))
    assert ranking(run(forced, [host("h1", disabled=True), host("h2")])) == ["h1"]
    full = run(forced, [host("h1", ram=1), host("h2")])
    assert set(full.reasons) == {"requested host", "RAM"}
    assert run(forced, [host("h1", up=False)]).selected is None


def test_a_requested_destination_goes_through_all_filters() -> None:
    decision = run(spec(requested_destination={"host": "h1"}), [host("h1", disabled=True), host("h2")])
    assert {label: entry["count"] for label, entry in decision.reasons.items()} == {
        "requested host": 1, "compute service": 1}


def test_the_subset_draws_from_the_best_only() -> None:
    hosts = [host(f"h{n}", ram=1024 * (n + 1)) for n in range(10)]
    heads = {ranking(run(spec(), hosts, seed, filter_scheduler__host_subset_size=3))[0] for seed in range(40)}
    assert heads == {"h9", "h8", "h7"}


def test_equal_hosts_are_shuffled_only_when_asked() -> None:
    hosts = [host(f"h{n}") for n in range(5)] + [host("worse", ram=1024)]
    assert {ranking(run(spec(), hosts, seed))[0] for seed in range(20)} == {"h0"}
    shuffled = {ranking(run(spec(), hosts, seed, filter_scheduler__shuffle_best_same_weighed_hosts=True))[0]
                for seed in range(60)}
    assert shuffled == {"h0", "h1", "h2", "h3", "h4"}


def test_a_stored_snapshot_replays_to_the_same_table() -> None:
    dice = random.Random(7)
    hosts = [host(f"h{n}", ram=dice.randrange(4096), vcpu=dice.randrange(4), up=dice.random() > 0.2,
                  traits=frozenset(dice.sample("ABCDE", 2)), num_io_ops=dice.randrange(3),
                  aggregates={"availability_zone": frozenset({"az"}), "cpu_weight_multiplier": frozenset({"2"})})
             for n in range(60)]
    request = spec(group=group("soft-affinity", {"h3": 2}), flavor={"vcpus": 1, "memory_mb": 1024, "extra_specs": {
        "trait:A": "required"}}, ignore_hosts=["h5"])
    overrides: dict[str, Any] = {"filter_scheduler__host_subset_size": 4}
    first = run(request, hosts, 3, **overrides)
    stored = json.loads(json.dumps({"spec": request.to_dict(), "hosts": [state.to_dict() for state in hosts]}))
    again = run(RequestSpec.from_dict(stored["spec"]), [HostState.from_dict(h) for h in stored["hosts"]], 3,
                **overrides)
    assert RequestSpec.from_dict(stored["spec"]) == request
    assert again.to_dict() == first.to_dict()
    assert explain.table(again) == explain.table(first)
    assert 0 < first.candidates < first.considered


def test_consumption_shows_in_the_next_decision() -> None:
    first, second = host("a", ram=2048), host("b", ram=1024)
    after = first.consumed({"MEMORY_MB": 1536, "VCPU": 1})
    assert (first.free["MEMORY_MB"], after.free["MEMORY_MB"], after.num_instances) == (2048, 512, 1)
    assert after.consumed({"MEMORY_MB": -1536, "VCPU": -1}, -1).inventories == first.inventories
    assert ranking(run(spec(), [after, second])) == ["b", "a"]


def test_an_unknown_name_in_the_configuration_is_told() -> None:
    with pytest.raises(errors.ConfigError, match=r"enabled_filters names 'NoSuchFilter'"):
        make_options(filter_scheduler__enabled_filters=["RamFilter", "NoSuchFilter"])
    with pytest.raises(errors.ConfigError, match=r"enabled_weighers names 'RamFilter'"):
        make_options(filter_scheduler__enabled_weighers=["RamFilter"])


def test_the_registry_names_every_filter_and_weigher_that_ships() -> None:
    assert len(registry.filters(tuple(registry.FILTERS))) == 13
    assert len(registry.weighers(tuple(registry.WEIGHERS))) == 7


def test_a_selection_survives_json() -> None:
    chosen = Selection("u", "h", "n", "c", "z")
    assert Selection.from_dict(chosen.to_dict() | {"newer": "x"}) == chosen


def test_inventories_with_units_are_still_ranked() -> None:
    stepped = host("a", inventories={"VCPU": Inventory(8, step_size=2), "MEMORY_MB": Inventory(4096),
                                     "DISK_GB": Inventory(10)})
    assert ranking(run(spec(flavor={"vcpus": 2}), [stepped, host("b", vcpu=1)])) == ["a"]
