# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor counts of a guest, and the two forms in which the API tells it: one for all drivers, one of old."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova.virt.types import PowerState

_STATES = {PowerState.RUNNING: "running", PowerState.PAUSED: "paused", PowerState.SHUTDOWN: "shutdown",
           PowerState.CRASHED: "crashed", PowerState.SUSPENDED: "suspended", PowerState.NOSTATE: "pending"}


@dataclasses.dataclass(frozen=True, slots=True)
class CpuCounters:
    """``time`` is in nanoseconds, ``utilisation`` in percent."""

    id: int
    time: int
    utilisation: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class DiskCounters:
    device: str
    read_bytes: int
    read_requests: int
    write_bytes: int
    write_requests: int
    errors: int = -1


@dataclasses.dataclass(frozen=True, slots=True)
class NicCounters:
    """Rates are in octets a second."""

    device: str
    mac: str
    rx_octets: int
    rx_packets: int
    rx_errors: int
    rx_drop: int
    tx_octets: int
    tx_packets: int
    tx_errors: int
    tx_drop: int
    rx_rate: int | None = None
    tx_rate: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GuestDiagnostics:
    """Memory is in KiB. ``driver`` and ``hypervisor`` are words that clients know. ``more`` are counters that only this
    driver has, for the form of old."""

    state: PowerState
    driver: str
    hypervisor: str
    hypervisor_os: str
    memory: int
    memory_used: int
    cpus: tuple[CpuCounters, ...]
    disks: tuple[DiskCounters, ...]
    nics: tuple[NicCounters, ...]
    more: Mapping[str, int] = dataclasses.field(default_factory=dict)


def common(found: GuestDiagnostics) -> dict[str, Any]:
    """The form of microversion 2.48 on, without what only the server's record tells. Memory is in MiB there."""
    return {
        "state": _STATES[found.state], "driver": found.driver, "hypervisor": found.hypervisor,
        "hypervisor_os": found.hypervisor_os,
        "num_cpus": len(found.cpus), "num_disks": len(found.disks), "num_nics": len(found.nics),
        "memory_details": {"maximum": found.memory // 1024, "used": found.memory_used // 1024},
        "cpu_details": [{"id": cpu.id, "time": cpu.time, "utilisation": cpu.utilisation} for cpu in found.cpus],
        "disk_details": [{"read_bytes": d.read_bytes, "read_requests": d.read_requests, "write_bytes": d.write_bytes,
                          "write_requests": d.write_requests, "errors_count": d.errors} for d in found.disks],
        "nic_details": [{"mac_address": n.mac, "rx_octets": n.rx_octets, "rx_errors": n.rx_errors, "rx_drop": n.rx_drop,
                         "rx_packets": n.rx_packets, "rx_rate": n.rx_rate, "tx_octets": n.tx_octets,
                         "tx_errors": n.tx_errors, "tx_drop": n.tx_drop, "tx_packets": n.tx_packets,
                         "tx_rate": n.tx_rate}
                        for n in found.nics]}


def counters(found: GuestDiagnostics) -> dict[str, int]:
    """The flat form before 2.48, by names of devices. Memory is in KiB there."""
    flat = {f"cpu{cpu.id}_time": cpu.time for cpu in found.cpus} | {"memory": found.memory} | dict(found.more)
    for d in found.disks:
        flat |= {f"{d.device}_read_req": d.read_requests, f"{d.device}_read": d.read_bytes,
                 f"{d.device}_write_req": d.write_requests, f"{d.device}_write": d.write_bytes,
                 f"{d.device}_errors": d.errors}
    for n in found.nics:
        flat |= {f"{n.device}_rx": n.rx_octets, f"{n.device}_rx_packets": n.rx_packets,
                 f"{n.device}_rx_errors": n.rx_errors, f"{n.device}_rx_drop": n.rx_drop,
                 f"{n.device}_tx": n.tx_octets, f"{n.device}_tx_packets": n.tx_packets,
                 f"{n.device}_tx_errors": n.tx_errors, f"{n.device}_tx_drop": n.tx_drop}
    return flat
