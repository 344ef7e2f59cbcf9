# SPDX-License-Identifier: Apache-2.0
"""Each weigher: which of two hosts it prefers, under the default multiplier."""

from __future__ import annotations

from typing import Any

import pytest

from nova.scheduler import registry
from nova.scheduler.engine import weigh
from nova.scheduler.hosts import HostState
from tests.unit.scheduler.build import group, host, make_options, spec

CASES: list[tuple[str, dict[str, Any], HostState, HostState]] = [
    ("RAMWeigher", {}, host("a", ram=4096), host("b", ram=2048)),
    ("CPUWeigher", {}, host("a", vcpu=4), host("b", vcpu=2)),
    ("DiskWeigher", {}, host("a", disk=4), host("b", disk=2)),
    ("IoOpsWeigher", {}, host("a", num_io_ops=0), host("b", num_io_ops=3)),
    ("BuildFailureWeigher", {}, host("a", failed_builds=0, ram=1), host("b", failed_builds=1)),
    ("ServerGroupSoftAffinityWeigher", {"group": group("soft-affinity", {"a": 1})}, host("a"), host("b")),
    ("ServerGroupSoftAntiAffinityWeigher", {"group": group("soft-anti-affinity", {"b": 1})}, host("a"), host("b")),
]


@pytest.mark.parametrize(("name", "request_fields", "better", "worse"), CASES)
def test_weigher_prefers(name: str, request_fields: dict[str, Any], better: HostState, worse: HostState) -> None:
    (weigher,) = registry.weighers([name])
    request = spec(**request_fields)
    assert weigher.applies(request)
    low, high = weigh(request, [worse, better], [weigher], [weigher.default])
    assert high - low == abs(weigher.default)
    assert weigher.weights([better], request) == [weigher.weigh(better, request)]


def test_every_registered_weigher_has_a_case_and_an_option() -> None:
    assert {name for name, *_ in CASES} == set(registry.WEIGHERS)
    options = make_options()
    assert options.multipliers == tuple(w.default for w in options.weighers)


def test_hosts_with_failed_builds_come_last_whatever_else_speaks_for_them() -> None:
    options = make_options()
    big, small = host("big", ram=10**6, vcpu=1000, failed_builds=1), host("small")
    totals = weigh(spec(), [big, small], options.weighers, options.multipliers)
    assert totals[0] < totals[1]


def test_soft_policies_matter_only_to_their_groups() -> None:
    for name in ("ServerGroupSoftAffinityWeigher", "ServerGroupSoftAntiAffinityWeigher"):
        (weigher,) = registry.weighers([name])
        assert not weigher.applies(spec())
        assert not weigher.applies(spec(group=group("affinity", {"a": 1})))


def test_an_aggregates_multiplier_overrides_the_option_and_the_smallest_wins() -> None:
    (ram,) = registry.weighers(["RAMWeigher"])
    own: dict[str, Any] = {"aggregates": {"ram_weight_multiplier": frozenset({"3.0", "-2.0", "much"})}}
    hosts = [host("a", ram=1024), host("b", ram=4096, **own), host("c", ram=4096)]
    assert weigh(spec(), hosts, [ram], [1.0]) == [0.0, -2.0, 1.0]
