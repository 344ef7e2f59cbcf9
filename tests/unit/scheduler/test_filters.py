# SPDX-License-Identifier: Apache-2.0
"""Each filter: which hosts it refuses and with which words. The fast path of ``sift`` agrees with ``refuse``."""

from __future__ import annotations

from typing import Any

import pytest

from nova.scheduler import registry
from nova.scheduler.hosts import HostState, Inventory
from nova.scheduler.spec import RequestSpec
from tests.unit.scheduler.build import group, host, spec

AZ2: dict[str, Any] = {"aggregates": {"availability_zone": frozenset({"az2"})}, "availability_zone": "az2"}
PPC: dict[str, Any] = {"supported_instances": (("ppc64le", "kvm", "hvm"),)}
GPU = {"extra_specs": {"resources:CUSTOM_GPU": "1"}}


def inventory(name: str, **values: Any) -> dict[str, Any]:
    return {"inventories": {name: Inventory(**values)}}


CASES: list[tuple[str, dict[str, Any], HostState, str | None]] = [
    ("ComputeFilter", {}, host(), None),
    ("ComputeFilter", {}, host(up=False), "the service is down"),
    ("ComputeFilter", {}, host(disabled=True), "the service is disabled"),
    ("ComputeFilter", {"force_host": "h1"}, host(disabled=True), None),
    ("ComputeFilter", {"force_host": "h1"}, host(up=False), "the service is down"),
    ("ComputeFilter", {}, host(cell_disabled=True), "the cell is disabled"),
    ("ComputeFilter", {"only_cell": "cell1"}, host(cell_disabled=True), None),
    ("AvailabilityZoneFilter", {"availability_zone": "nova"}, host(), None),
    ("AvailabilityZoneFilter", {"availability_zone": "az2"}, host(**AZ2), None),
    ("AvailabilityZoneFilter", {"availability_zone": "az2"}, host(), "not in zone az2"),
    ("RamFilter", {}, host(ram=512), None),
    ("RamFilter", {}, host(ram=128), "512 MB requested, 128 MB free"),
    ("RamFilter", {}, host(**inventory("VCPU", total=1)), "512 MB requested, none offered"),
    ("RamFilter", {}, host(**inventory("MEMORY_MB", total=512, used=512, allocation_ratio=2.0)), None),
    ("RamFilter", {}, host(**inventory("MEMORY_MB", total=100, used=512)), "512 MB requested, 0 MB free"),
    ("CoreFilter", {}, host(vcpu=1), None),
    ("CoreFilter", {}, host(vcpu=0), "1 requested, 0 free"),
    ("CoreFilter", {"flavor": {"vcpus": 5}}, host(**inventory("VCPU", total=4, allocation_ratio=4.0, max_unit=4)),
     "5 requested, at most 4 for one server"),
    ("DiskFilter", {}, host(disk=1), None),
    ("DiskFilter", {}, host(disk=0), "1 GB requested, 0 GB free"),
    ("DiskFilter", {}, host(**inventory("DISK_GB", total=9, min_unit=2)),
     "1 GB requested, at least 2 GB for one server"),
    ("DiskFilter", {}, host(**inventory("DISK_GB", total=9, step_size=2)), "1 GB requested, not a multiple of 2 GB"),
    ("DiskFilter", {"flavor": {"root_gb": 4}}, host(**inventory("DISK_GB", total=9, step_size=2)), None),
    ("ResourcesFilter", {"flavor": GPU}, host(**inventory("CUSTOM_GPU", total=1)), None),
    ("ResourcesFilter", {"flavor": GPU}, host(), "CUSTOM_GPU: 1 requested, none offered"),
    ("ImagePropertiesFilter", {"image_properties": {"hw_architecture": "x86_64"}}, host(), None),
    ("ImagePropertiesFilter", {"image_properties": {"architecture": "AMD64"}}, host(), None),
    ("ImagePropertiesFilter", {"image_properties": {"img_hv_type": "kvm"}}, host(), None),
    ("ImagePropertiesFilter", {"image_properties": {"img_hv_type": "xen"}}, host(), "the image needs xen"),
    ("ImagePropertiesFilter", {"image_properties": {"hw_architecture": "aarch64", "hw_vm_mode": "hvm"}}, host(),
     "the image needs aarch64, hvm"),
    ("ImagePropertiesFilter", {"image_properties": {"hw_architecture": "x86_64"}}, host(**PPC),
     "the image needs x86_64"),
    ("ImagePropertiesFilter", {"image_properties": {"img_hv_requested_version": ">=7.2"}},
     host(hypervisor_version=7002000), None),
    ("ImagePropertiesFilter", {"image_properties": {"img_hv_requested_version": ">=8.0"}},
     host(hypervisor_version=7002000), "the image needs hypervisor version >=8.0"),
    ("ImagePropertiesFilter", {"image_properties": {"img_hv_requested_version": "new"}},
     host(hypervisor_version=7002000), "the image needs hypervisor version new"),
    ("TraitsFilter", {"flavor": {"extra_specs": {"trait:A": "required"}}}, host(traits=frozenset("AB")), None),
    ("TraitsFilter", {"image_properties": {"trait:C": "required"}}, host(traits=frozenset("AB")), "lacks C"),
    ("TraitsFilter", {"flavor": {"extra_specs": {"trait:B": "forbidden"}}}, host(traits=frozenset("AB")), "has B"),
    ("ServerGroupAffinityFilter", {"group": group("affinity", {"h1": 1})}, host("h1"), None),
    ("ServerGroupAffinityFilter", {"group": group("affinity", {"h1": 1})}, host("h2"),
     "the group's members are on another host"),
    ("ServerGroupAntiAffinityFilter", {"group": group("anti-affinity", {"h1": 1})}, host("h2"), None),
    ("ServerGroupAntiAffinityFilter", {"group": group("anti-affinity", {"h1": 1})}, host("h1"),
     "1 of at most 1 members of the group are there"),
    ("ServerGroupAntiAffinityFilter", {"group": group("anti-affinity", {"h1": 1}, max_server_per_host=2)}, host("h1"),
     None),
    ("DifferentHostFilter", {"scheduler_hints": {"different_host": "a"}, "located": {"a": "h1"}}, host("h2"), None),
    ("DifferentHostFilter", {"scheduler_hints": {"different_host": ["b", "a"]}, "located": {"a": "h1"}}, host("h1"),
     "holds a server to stay away from"),
    ("SameHostFilter", {"scheduler_hints": {"same_host": ["b", "a"]}, "located": {"a": "h1"}}, host("h1"), None),
    ("SameHostFilter", {"scheduler_hints": {"same_host": "a"}, "located": {"a": "h1"}}, host("h2"),
     "holds none of the servers to be near"),
    ("TargetFilter", {"force_host": "h1"}, host("h1"), None),
    ("TargetFilter", {"force_host": "h1"}, host("h2"), "not the requested host"),
    ("TargetFilter", {"force_node": "n1"}, host("h1", node="n2"), "not the requested host"),
    ("TargetFilter", {"requested_destination": {"host": "h1", "node": "h1"}}, host("h1"), None),
    ("TargetFilter", {"requested_destination": {"host": "h2"}}, host("h1"), "not the requested host"),
    ("TargetFilter", {"ignore_hosts": ["h1"]}, host("h1"), "left out by the request"),
    ("TargetFilter", {"only_cell": "cell2"}, host("h1"), "in another cell"),
]


@pytest.mark.parametrize(("name", "request_fields", "state", "reason"), CASES)
def test_filter(name: str, request_fields: dict[str, Any], state: HostState, reason: str | None) -> None:
    (check,) = registry.filters([name])
    request = spec(**request_fields)
    assert check.applies(request)
    assert check.refuse(state, request) == reason
    passed, refused = check.sift([state], request)
    assert (passed, refused) == (([state], []) if reason is None else ([], [(state, reason)]))


@pytest.mark.parametrize(("name", "request_fields"), [
    ("AvailabilityZoneFilter", {}), ("ResourcesFilter", {}),
    ("ImagePropertiesFilter", {"image_properties": {"x": "y"}}),
    ("TraitsFilter", {}), ("DiskFilter", {"flavor": {"vcpus": 1}}), ("TargetFilter", {}),
    ("ServerGroupAffinityFilter", {"group": group("affinity", {})}),
    ("ServerGroupAffinityFilter", {"group": group("anti-affinity", {"h1": 1})}),
    ("ServerGroupAntiAffinityFilter", {"group": group("soft-anti-affinity", {"h1": 1})}),
    ("SameHostFilter", {}), ("DifferentHostFilter", {"scheduler_hints": {"different_host": []}}),
])
def test_a_filter_stays_away_from_requests_that_it_has_no_say_in(name: str, request_fields: dict[str, Any]) -> None:
    (check,) = registry.filters([name])
    assert not check.applies(spec(**request_fields))


def test_every_registered_filter_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(registry.FILTERS)


def test_sift_keeps_the_order_and_splits_a_mixed_list() -> None:
    hosts = [host(f"h{n}", ram=256 * n, up=n != 3) for n in range(6)]
    request: RequestSpec = spec()
    for name in ("RamFilter", "ComputeFilter"):
        (check,) = registry.filters([name])
        passed, refused = check.sift(hosts, request)
        assert passed == [h for h in hosts if check.refuse(h, request) is None]
        assert refused == [(h, check.refuse(h, request)) for h in hosts if h not in passed]
