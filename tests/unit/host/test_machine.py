# SPDX-License-Identifier: Apache-2.0
"""What is read from the kernel, on made-up machines and on this one."""

from __future__ import annotations

import os
import pathlib

import pytest

from nova.host import machine

TWO_CORES_OF_TWO_THREADS = "\n\n".join(
    f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nphysical id\t: 0\ncore id\t\t: {n // 2}\n"
    f"flags\t\t: fpu sse2 avx {'vmx' if n == 0 else ''}" for n in range(4)) + "\n\n"


def proc(tmp_path: pathlib.Path, cpuinfo: str) -> pathlib.Path:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    (tmp_path / "meminfo").write_text("MemTotal:       24602448 kB\nMemFree: 100 kB\nMemAvailable:   20480 kB\n")
    (tmp_path / "uptime").write_text("93784.12 1.0\n")
    return tmp_path


def test_processor_memory_and_uptime(tmp_path: pathlib.Path) -> None:
    made_up = proc(tmp_path, TWO_CORES_OF_TWO_THREADS)
    cpu = machine.cpu(made_up)
    assert (cpu.vendor, cpu.model, cpu.sockets, cpu.cores, cpu.threads) == ("GenuineIntel", "Xeon", 1, 2, 2)
    assert {"avx", "vmx"} <= cpu.flags
    assert machine.memory(made_up) == machine.Memory(total=24025, available=20)
    assert machine.uptime_seconds(made_up) == 93784.12


@pytest.mark.parametrize(("flags", "device", "usable"), [
    ("vmx", True, True), ("svm", True, True), ("sse2", True, False), ("vmx", False, False),
])
def test_kvm_needs_the_device_and_the_processor(tmp_path: pathlib.Path, flags: str, device: bool,
                                                usable: bool) -> None:
    made_up = proc(tmp_path, f"processor: 0\nflags: fpu {flags}\n")
    kvm = tmp_path / "kvm"
    if device:
        kvm.touch()
    assert machine.kvm_usable(made_up, kvm) is usable


def test_this_machine(tmp_path: pathlib.Path) -> None:
    assert machine.memory().total > 0
    assert machine.cpus() == os.cpu_count()
    assert machine.disk(tmp_path / "not" / "yet" / "there").total >= machine.disk(tmp_path).free
    assert machine.uptime().startswith("up ")
