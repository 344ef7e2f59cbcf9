# SPDX-License-Identifier: Apache-2.0
"""What a libvirt host has. Totals come from the kernel: libvirt counts memory by NUMA cell and may miss most of it."""

from __future__ import annotations

from typing import Any

from nova.conf import compute as compute_conf
from nova.host import machine
from nova.virt.interfaces import Inventory
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.types import HostInventory, stock


class LibvirtInventory(Inventory):
    hypervisor: Hypervisor

    def inventory(self) -> HostInventory:
        hypervisor, conf = self.hypervisor, self.hypervisor.conf
        host, settings = hypervisor.host, hypervisor.settings
        cpus, memory = machine.cpus(), machine.memory()
        disk = hypervisor.disks.space()
        vcpus_used, running = hypervisor.connection.call(self._used)
        shared, dedicated = settings.nodes.shared, settings.nodes.dedicated
        ratio, reserved = compute_conf.ratio(conf, "cpu"), conf.reserved_host_cpus
        processors = {"PCPU": stock(len(dedicated), 0, 1.0)} if dedicated else {}
        if shared is not None:
            processors["VCPU"] = stock(len(shared), 0, ratio)
        elif dedicated is None:
            processors["VCPU"] = stock(cpus, reserved, ratio)
        return HostInventory(
            hypervisor_hostname=host.hostname,
            hypervisor_type="QEMU",
            hypervisor_version=host.version,
            vcpus=cpus,
            memory_mb=memory.total,
            local_gb=disk.total,
            vcpus_used=vcpus_used,
            memory_mb_used=memory.total - memory.available,
            local_gb_used=disk.used,
            cpu_info=host.cpu,
            traits=tuple(sorted({*self.capabilities.traits(), *hypervisor.traits()})),  # type: ignore[attr-defined]
            inventory={
                **processors,
                "MEMORY_MB": stock(memory.total, conf.reserved_host_memory_mb, compute_conf.ratio(conf, "ram")),
                "DISK_GB": stock(disk.total, -(-conf.reserved_host_disk_mb // 1024),
                                 compute_conf.ratio(conf, "disk")),
            },
            supported_instances=tuple(s for s in host.supported if s[1] == settings.virt_type),
            host_ip=compute_conf.host_ip(conf),
            running_guests=running,
        )

    def uptime(self) -> str:
        return machine.uptime()

    def _used(self, conn: Any) -> tuple[int, int]:
        """Processors of running guests and how many these are; one may end while they are counted."""
        libvirt = self.hypervisor.libvirt
        vcpus = guests = 0
        for dom in conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            if self.hypervisor.ours(dom):
                try:
                    vcpus += dom.info()[3]
                except libvirt.libvirtError as e:
                    if e.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                        raise
                else:
                    guests += 1
        return vcpus, guests
