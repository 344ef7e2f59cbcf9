# SPDX-License-Identifier: Apache-2.0
"""Which processors, pages and devices of a host a guest gets."""

from __future__ import annotations

import dataclasses
import re

import pytest

from nova import errors
from nova.virt.hardware import pci, plan
from nova.virt.hardware.host import Held, HostNodes
from nova.virt.hardware.placing import DoesNotFit
from nova.virt.hardware.plan import Plan
from nova.virt.hardware.wishes import Wishes
from tests.unit.virt.hardware import hosts

DEDICATED = {"hw:cpu_policy": "dedicated"}
ALIASES = pci.aliases(['{"name": "nic", "vendor_id": "8086", "product_id": "10ed"}',
                       '{"name": "gpu", "vendor_id": "10de", "numa_policy": "required"}',
                       '{"name": "card", "product_id": "10fb", "device_type": "type-PF"}'])


def planned(specs: dict[str, str], vcpus: int = 4, memory_mb: int = 1024, host: HostNodes | None = None,
            *before: Plan, devices: tuple[pci.Device, ...] = ()) -> Plan:
    host = host or (hosts.two_nodes() if "hw:cpu_policy" in specs else hosts.two_nodes(dedicated=None))
    return plan.make(Wishes(specs, {}), vcpus, memory_mb, host, plan.held_by(before), name="h1", devices=devices,
                     known=ALIASES)


def test_a_guest_that_asks_for_nothing_gets_no_plan() -> None:
    assert planned({}).empty


def test_a_plan_survives_being_written_down() -> None:
    made = planned(DEDICATED | {"hw:numa_nodes": "2", "hw:mem_page_size": "large", "pci_passthrough:alias": "nic:2"},
                   devices=hosts.cards())
    assert Plan.from_json(made.as_json()) == made
    assert not made.empty


def test_pins_are_never_shared() -> None:
    plans: list[Plan] = []
    for _ in range(4):
        plans.append(planned(DEDICATED, 4, 1024, None, *plans))
    taken = [cpu for made in plans for cpu in made.pins.values()]
    assert sorted(taken) == list(range(16))
    with pytest.raises(DoesNotFit, match="node 0: 0 dedicated processors are free, 4 are wanted"):
        planned(DEDICATED, 4, 1024, None, *plans)
    assert set(planned(DEDICATED, 4, 1024, None, *plans[1:]).pins.values()) == set(plans[0].pins.values())


def test_siblings_are_preferred_and_shown() -> None:
    made = planned(DEDICATED)
    assert sorted(made.pins.values()) == [0, 1, 8, 9]
    assert [(p.host, p.threads) for p in made.nodes] == [(0, 2)]


def test_isolation_keeps_the_siblings_idle() -> None:
    made = planned(DEDICATED | {"hw:cpu_thread_policy": "isolate"})
    assert sorted(made.pins.values()) == [0, 1, 2, 3]
    assert plan.held_by([made]).cpus == {0, 1, 2, 3, 8, 9, 10, 11}
    assert planned(DEDICATED, 2, 512, None, made).nodes[0].host == 1
    with pytest.raises(DoesNotFit, match="4 cores are all free, 5 are wanted"):
        planned(DEDICATED | {"hw:cpu_thread_policy": "isolate"}, 5)


def test_a_required_sibling_must_be_there() -> None:
    with pytest.raises(DoesNotFit, match="on sibling threads"):
        planned(DEDICATED | {"hw:cpu_thread_policy": "require"}, 2, 512, hosts.without_siblings())
    assert sorted(planned(DEDICATED, 2, 512, hosts.without_siblings()).pins.values()) == [1, 2]


def test_a_host_without_a_dedicated_set_takes_no_dedicated_guest() -> None:
    with pytest.raises(DoesNotFit, match="cpu_dedicated_set is not set"):
        planned(DEDICATED, 4, 1024, hosts.two_nodes(dedicated=None))


def test_some_vcpus_dedicated_and_the_others_shared() -> None:
    host = hosts.two_nodes(frozenset({2, 3, 10, 11}), frozenset({0, 1}))
    made = planned({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0-1"}, 4, 1024, host)
    assert set(made.pins) == {2, 3} and set(made.pins.values()) <= {2, 3, 10, 11}
    assert made.nodes[0].threads == 1


def test_the_emulator_gets_a_processor_of_its_own() -> None:
    made = planned(DEDICATED | {"hw:emulator_threads_policy": "isolate"}, 3)
    emulator = made.nodes[0].emulator
    assert emulator is not None and emulator not in made.pins.values()
    assert plan.held_by([made]).cpus == {emulator, *made.pins.values()}


def test_nodes_of_the_guest_lie_on_nodes_of_the_host() -> None:
    made = planned({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0", "hw:numa_cpus.1": "1-3", "hw:numa_mem.0": "256",
                    "hw:numa_mem.1": "768"})
    assert sorted(p.host for p in made.nodes) == [0, 1]
    assert [(sorted(p.cpus), p.memory_mb) for p in made.nodes] == [([0], 256), ([1, 2, 3], 768)]
    with pytest.raises(DoesNotFit, match="it has 8192 MiB, 9000 are wanted"):
        planned({"hw:numa_nodes": "1"}, 4, 9000)
    with pytest.raises(DoesNotFit):
        planned({"hw:numa_nodes": "4"})


def test_the_least_used_node_comes_first() -> None:
    first = planned({"hw:numa_nodes": "1"})
    second = planned({"hw:numa_nodes": "1"}, 4, 1024, None, first)
    assert [first.nodes[0].host, second.nodes[0].host] == [0, 1]


def test_a_full_node_is_exchanged_for_another() -> None:
    """The small node of the guest goes where the large one cannot, whichever comes first."""
    host = hosts.two_nodes(dedicated=None)
    small = dataclasses.replace(host.nodes[1], memory_mb=512)
    made = planned({"hw:numa_nodes": "2", "hw:numa_mem.0": "256", "hw:numa_mem.1": "4096"}, 4, 4352,
                   dataclasses.replace(host, nodes=(host.nodes[0], small)))
    assert [p.host for p in made.nodes] == [1, 0]


@pytest.mark.parametrize(("asked", "memory_mb", "page_kb"), [
    ("small", 1024, 4), ("large", 1024, hosts.PAGE_1G), ("large", 1000, hosts.PAGE_2M), ("any", 1001, 4),
    ("2MB", 1024, hosts.PAGE_2M), ("2048", 1024, hosts.PAGE_2M), ("1GB", 2048, hosts.PAGE_1G)])
def test_pages(asked: str, memory_mb: int, page_kb: int) -> None:
    (node,) = planned({"hw:mem_page_size": asked}, 4, memory_mb).nodes
    assert node.page_kb == page_kb


def test_pages_run_out() -> None:
    plans: list[Plan] = []
    for _ in range(4):
        plans.append(planned({"hw:mem_page_size": "1GB"}, 1, 1024, None, *plans))
    with pytest.raises(DoesNotFit, match="1024 MiB in pages of size 1048576 KiB are not free"):
        planned({"hw:mem_page_size": "1GB"}, 1, 1024, None, *plans)
    assert planned({"hw:mem_page_size": "large"}, 1, 1024, None, *plans).nodes[0].page_kb == hosts.PAGE_2M
    reserved = dataclasses.replace(hosts.two_nodes(None), reserved_pages={(0, hosts.PAGE_1G): 2, (1, hosts.PAGE_1G): 2})
    with pytest.raises(DoesNotFit):
        planned({"hw:mem_page_size": "1GB"}, 1, 1024, reserved)


def test_devices_by_alias_and_near_the_memory() -> None:
    made = planned({"pci_passthrough:alias": "gpu:1, nic:2", "hw:numa_nodes": "1"}, devices=hosts.cards())
    assert made.devices == {"gpu": ("0000:0b:00.0",), "nic": ("0000:0a:10.0", "0000:0a:10.1")}
    assert made.nodes[0].host == 0
    again = planned({"pci_passthrough:alias": "gpu", "hw:numa_nodes": "1"}, 4, 1024, None, made,
                    devices=hosts.cards())
    assert (again.devices, again.nodes[0].host) == ({"gpu": ("0000:8b:00.0",)}, 1)
    with pytest.raises(DoesNotFit, match=re.escape("no device is free for gpu")):
        planned({"pci_passthrough:alias": "gpu"}, 4, 1024, None, made, again, devices=hosts.cards())


def test_a_device_far_away_is_taken_only_where_that_is_allowed() -> None:
    only_far = tuple(d for d in hosts.cards() if d.node == 0)
    busy = planned(DEDICATED, 8)
    with pytest.raises(DoesNotFit, match="near the guest's memory"):
        planned(DEDICATED | {"pci_passthrough:alias": "gpu"}, 8, 1024, None, busy, devices=only_far)
    made = planned(DEDICATED | {"pci_passthrough:alias": "gpu", "hw:pci_numa_affinity_policy": "preferred"}, 8, 1024,
                   None, busy, devices=only_far)
    assert made.devices == {"gpu": ("0000:0b:00.0",)}


def test_a_physical_function_and_its_virtual_ones_exclude_each_other() -> None:
    cards = hosts.cards()
    virtual = planned({"pci_passthrough:alias": "nic"}, devices=cards)
    physical = planned({"pci_passthrough:alias": "card:1"}, 4, 1024, None, virtual, devices=cards)
    assert physical.devices == {"card": ("0000:8a:00.0",)}
    whole = planned({"pci_passthrough:alias": "card:2"}, devices=cards)
    with pytest.raises(DoesNotFit, match="no device is free for nic"):
        planned({"pci_passthrough:alias": "nic"}, 4, 1024, None, whole, devices=cards)


def test_ports_of_kind_direct_get_a_function_on_their_network() -> None:
    cards = pci.allowed(hosts.cards(), pci.device_spec(['{"devname": "ens1", "physical_network": "p1"}']))
    assert len(cards) == 5
    made = plan.make(Wishes({}, {}), 1, 64, hosts.two_nodes(), Held(), name="h1", devices=cards,
                     ports=[("port1", "p1")])
    assert made.devices == {"port1": ("0000:0a:10.0",)}
    with pytest.raises(DoesNotFit):
        plan.make(Wishes({}, {}), 1, 64, hosts.two_nodes(), Held(), name="h1", devices=cards, ports=[("x", "p2")])


@pytest.mark.parametrize(("spec", "count"), [
    ('{"vendor_id": "10de"}', 2), ('{"address": "0a:00.0"}', 5), ('{"address": "0000:0a:10.*"}', 4),
    ('{"address": {"bus": "8[ab]", "function": "0"}}', 2), ('[{"vendor_id": "8086", "product_id": "10fb"}]', 2),
    ('{"address": "*:*:*.*"}', 8), ('{"vendor_id": "1234"}', 0)])
def test_which_devices_may_be_passed_through(spec: str, count: int) -> None:
    assert len(pci.allowed(hosts.cards(), pci.device_spec([spec]))) == count


def test_pools_count_what_is_free() -> None:
    cards = pci.allowed(hosts.cards(), pci.device_spec(['{"vendor_id": "8086", "physical_network": "p1"}']))
    counts = {(p["product_id"], p["numa_node"]): p["count"] for p in pci.pools(cards, frozenset({"0000:0a:10.1"}))}
    assert counts == {("10ed", 0): 3, ("10fb", 1): 1}
    assert pci.pools(cards)[0]["tags"] == {"dev_type": "type-PF", "physical_network": "p1"}


@pytest.mark.parametrize("text", ['{', '"x"', '{"vendor": "8086"}', '{"vendor_id": "zz"}',
                                  '{"address": "*", "devname": "x"}'])
def test_a_bad_device_spec_names_its_option(text: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"pci\.device_spec"):
        pci.device_spec([text])


@pytest.mark.parametrize("texts", [['{}'], ['{"name": "a", "size": 1}'], ['{"name": "a", "numa_policy": "far"}'],
                                   ['{"name": "a"}', '{"name": "a", "numa_policy": "socket"}']])
def test_a_bad_alias_names_its_option(texts: list[str]) -> None:
    with pytest.raises(errors.ConfigError, match=r"pci\.alias"):
        pci.aliases(texts)


def test_an_alias_that_nobody_knows() -> None:
    with pytest.raises(errors.Invalid, match="there is no alias tape"):
        planned({"pci_passthrough:alias": "tape:1"})
