# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor host has and uses, as it reports it to its cell."""

from __future__ import annotations

from nova.objects.base import Json, NovaObject, register, remotable


@register
class ComputeNode(NovaObject):
    """Sizes as named in the field; ``inventory`` is {resource class: {total, reserved, min_unit, max_unit, step_size,
    allocation_ratio}}; ``abilities`` are the interfaces that the host's driver implements, by name; ``digest`` is over
    everything that placement must know, so that an equal one needs no report."""

    uuid: str
    host: str
    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str | None
    vcpus: int
    memory_mb: int
    local_gb: int
    vcpus_used: int = 0
    memory_mb_used: int = 0
    local_gb_used: int = 0
    disk_available_least: int | None
    running_vms: int = 0
    current_workload: int = 0
    cpu_allocation_ratio: float | None
    ram_allocation_ratio: float | None
    disk_allocation_ratio: float | None
    cpu_info: Json = {}
    supported_instances: Json = []
    metrics: Json = []
    traits: list[str] = []
    abilities: list[str] = []
    inventory: Json = {}
    numa_topology: Json
    pci_devices: Json = []
    uptime: str | None
    digest: str = ""
    report_version: int = 0
    created_at: float | None
    updated_at: float | None

    @remotable
    def report(self) -> None:
        """Store this in the cell; afterwards uuid and report_version are those of the row."""
        self.take(self.store.compute_node_report(self))
