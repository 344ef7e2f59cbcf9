# SPDX-License-Identifier: Apache-2.0
"""What a libvirt host has. Totals come from the kernel: libvirt counts memory by NUMA cell and may miss most of it."""

from __future__ import annotations

from typing import Any

from nova.conf import compute as compute_conf
from nova.host import machine
from nova.virt.interfaces import Inventory
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.types import HostInventory, stock

#: Flags of /proc/cpuinfo and the traits that stand for them; a guest gets them only with KVM.
CPU_TRAITS = {
    "aes": "HW_CPU_X86_AESNI", "avx": "HW_CPU_X86_AVX", "avx2": "HW_CPU_X86_AVX2", "avx512f": "HW_CPU_X86_AVX512F",
    "bmi1": "HW_CPU_X86_BMI", "bmi2": "HW_CPU_X86_BMI2", "f16c": "HW_CPU_X86_F16C", "fma": "HW_CPU_X86_FMA3",
    "mmx": "HW_CPU_X86_MMX", "pclmulqdq": "HW_CPU_X86_CLMUL", "sha_ni": "HW_CPU_X86_SHA", "sse": "HW_CPU_X86_SSE",
    "sse2": "HW_CPU_X86_SSE2", "pni": "HW_CPU_X86_SSE3", "ssse3": "HW_CPU_X86_SSSE3", "sse4_1": "HW_CPU_X86_SSE41",
    "sse4_2": "HW_CPU_X86_SSE42", "vmx": "HW_CPU_X86_VMX", "svm": "HW_CPU_X86_SVM",
}
COMPUTE_TRAITS = ("COMPUTE_GRAPHICS_MODEL_VGA", "COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_STORAGE_BUS_VIRTIO")


class LibvirtInventory(Inventory):
    hypervisor: Hypervisor

    def inventory(self) -> HostInventory:
        hypervisor, conf = self.hypervisor, self.hypervisor.conf
        host, settings = hypervisor.host, hypervisor.settings
        cpus, memory, disk = machine.cpus(), machine.memory(), machine.disk(hypervisor.instances)
        vcpus_used, running = hypervisor.connection.call(self._used)
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
            traits=self._traits(settings.virt_type),
            inventory={
                "VCPU": stock(cpus, conf.reserved_host_cpus, compute_conf.ratio(conf, "cpu")),
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

    def _traits(self, virt_type: str) -> tuple[str, ...]:
        traits = {*COMPUTE_TRAITS, *self.capabilities.traits()}  # type: ignore[attr-defined]
        if virt_type == "kvm":
            traits |= {CPU_TRAITS[f] for f in machine.cpu().flags & CPU_TRAITS.keys()}
        return tuple(sorted(traits))

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
