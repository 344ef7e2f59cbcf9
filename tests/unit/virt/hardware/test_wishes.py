# SPDX-License-Identifier: Apache-2.0
"""What flavor and image say together."""

from __future__ import annotations

import pytest

from nova import errors
from nova.api.compute import extra_specs
from nova.virt.hardware import catalogue, cpusets, plan
from nova.virt.hardware.topology import Topology, topology
from nova.virt.hardware.wishes import Wishes


def test_every_extra_spec_of_the_catalogue_is_known_to_the_api() -> None:
    known = {entry.name for entry in extra_specs.entries()}
    named = {w.spec for w in catalogue.wishes().values() if w.spec} | {n for n in catalogue.refused() if ":" in n}
    assert named <= known


@pytest.mark.parametrize(("text", "cpus"), [
    ("0", {0}), ("0-3", {0, 1, 2, 3}), ("0-3,^1", {0, 2, 3}), ("8, 2-3", {2, 3, 8}), ("", set())])
def test_sets_of_processors(text: str, cpus: set[int]) -> None:
    assert cpusets.parse(text) == cpus
    assert cpusets.parse(cpusets.render(cpus)) == cpus


def test_sets_of_processors_are_written_short() -> None:
    assert cpusets.render({3, 1, 2, 7}) == "1-3,7"
    for bad in ("a", "3-1", "1-", "^"):
        with pytest.raises(errors.Invalid, match="is not a set of processors"):
            cpusets.parse(bad)


def test_who_wins_where_both_speak() -> None:
    both = Wishes({"hw:watchdog_action": "reset", "hw:boot_menu": "true"},
                  {"hw_watchdog_action": "pause", "hw_boot_menu": "no", "hw_disk_bus": "scsi"})
    assert both.word("watchdog") == "pause"
    assert both.flag("boot_menu") is True
    assert both.word("disk_bus") == "scsi"
    assert both.number("cpu_shares") is None


@pytest.mark.parametrize(("specs", "properties", "why"), [
    ({"hw:pmu": "true"}, {"hw_pmu": "no"}, "Flavor and image contradict each other: hw:pmu = 'true', hw_pmu = 'no'"),
    ({"hw:tpm_version": "2.0"}, {"hw_tpm_version": "1.2"}, "contradict each other"),
    ({}, {"hw_disk_bus": "tape"}, "hw_disk_bus = 'tape' cannot be: it must be one of virtio, scsi, ide, sata, usb"),
    ({}, {"hw_qemu_guest_agent": "perhaps"}, "hw_qemu_guest_agent = 'perhaps' cannot be: it must be true or false"),
    ({"quota:cpu_shares": "-1"}, {}, "quota:cpu_shares = '-1' cannot be: it must be a number"),
    ({"hw:mem_encryption": "true"}, {}, "hw:mem_encryption = 'true' cannot be: no host of this cloud has encrypted"),
    ({}, {"hw_mem_encryption": True}, "hw_mem_encryption = 'True' cannot be"),
    ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "dedicated"}, "is not permitted by the flavor's hw:cpu_policy"),
    ({"hw:cpu_policy": "mixed"}, {}, "hw:cpu_policy = mixed needs hw:cpu_dedicated_mask"),
    ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-3"}, {}, "some vCPUs dedicated and some shared"),
    ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-9"}, {}, "the server has 4 vCPUs"),
    ({"hw:cpu_dedicated_mask": "0"}, {}, "goes with hw:cpu_policy = mixed only"),
    ({"hw:cpu_thread_policy": "isolate"}, {}, "hw:cpu_thread_policy needs hw:cpu_policy = dedicated or mixed"),
    ({"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "require"}, {"hw_cpu_thread_policy": "isolate"},
     "is not permitted by the flavor's hw:cpu_thread_policy"),
    ({"hw:emulator_threads_policy": "isolate"}, {}, "needs hw:cpu_policy = dedicated or mixed"),
    ({"hw:numa_nodes": "3"}, {}, "4 vCPUs cannot be spread evenly over 3 nodes"),
    ({"hw:numa_nodes": "5"}, {}, "a server of 4 vCPUs has 1 to 4 nodes"),
    ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-1"}, {}, "must be given for each of the 2 nodes"),
    ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-2", "hw:numa_cpus.1": "2-3"}, {}, "each of the vCPUs 0 to 3 once"),
    ({"hw:numa_nodes": "2", "hw:numa_mem.0": "1000", "hw:numa_mem.1": "1"}, {}, "must add up to the server's 1024"),
    ({"hw:numa_cpus.0": "0"}, {}, "need hw:numa_nodes"),
    ({"hw:numa_nodes": "1"}, {"hw_numa_nodes": "2"}, "is not permitted where the flavor has hw:numa_nodes"),
    ({"hw:mem_page_size": "small"}, {"hw_mem_page_size": "large"}, "only if the flavor has hw:mem_page_size = large"),
    ({"hw:mem_page_size": "many"}, {}, "must be small, large, any, or a size such as 2MB"),
    ({"hw:locked_memory": "true"}, {}, "hw:locked_memory needs hw:mem_page_size"),
    ({"hw:cpu_realtime": "true"}, {}, "hw:cpu_realtime needs hw:cpu_policy = dedicated"),
    ({"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "yes", "hw:cpu_realtime_mask": "0-3"}, {},
     "must leave a vCPU for the emulator"),
    ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "2", "hw:cpu_max_threads": "1"}, {}, "No topology of at most"),
    ({"hw:cpu_max_cores": "2"}, {"hw_cpu_max_cores": "4"}, "exceeds the flavor's of 2"),
    ({"hw:cpu_max_cores": "2", "hw:cpu_cores": "4"}, {}, "The flavor's cpu_cores of 4 exceeds the limit of 2"),
    ({}, {"hw_cpu_cores": "0"}, "it must be a number from 1 to 65536"),
])
def test_what_cannot_be_is_said_before_anything_is_made(specs: dict[str, str], properties: dict[str, str],
                                                        why: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        plan.check(Wishes(specs, properties), 4, 1024)
    assert why in caught.value.message


def test_what_is_switched_off_is_not_refused() -> None:
    plan.check(Wishes({"hw:mem_encryption": "false", "hw:redirected_usb_ports": "0"}, {}), 4, 1024)


@pytest.mark.parametrize(("specs", "properties", "expected"), [
    ({}, {}, Topology(8)),
    ({"hw:cpu_sockets": "2"}, {}, Topology(2, 4)),
    ({"hw:cpu_sockets": "2", "hw:cpu_threads": "2"}, {}, Topology(2, 2, 2)),
    ({"hw:cpu_max_sockets": "2"}, {}, Topology(2, 4)),
    ({"hw:cpu_max_sockets": "2"}, {"hw_cpu_sockets": "1"}, Topology(1, 8)),
    ({}, {"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "4"}, Topology(1, 4, 2)),
    ({"hw:cpu_cores": "3"}, {}, Topology(8)),
])
def test_sockets_cores_and_threads(specs: dict[str, str], properties: dict[str, str], expected: Topology) -> None:
    assert topology(Wishes(specs, properties), 8) == expected


def test_a_guest_on_sibling_threads_is_shown_them() -> None:
    assert topology(Wishes({}, {}), 4, threads=2) == Topology(2, 1, 2)
