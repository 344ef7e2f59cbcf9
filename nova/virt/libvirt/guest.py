# SPDX-License-Identifier: Apache-2.0
"""Inside guests of libvirt: the QEMU guest agent, interrupts, and what libvirt counts."""

from __future__ import annotations

from typing import Any

from lxml import etree

from nova import concurrency, errors
from nova.virt.diagnostics import CpuCounters, DiskCounters, GuestDiagnostics, NicCounters
from nova.virt.interfaces import Diagnostics, GuestAgent, Nmi
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.libvirt.lifecycle import STATES
from nova.virt.types import PowerState

#: Seconds in which the agent in a guest must answer.
AGENT_TIMEOUT = 10
#: So often it is asked, with so many seconds between.
AGENT_TRIES, AGENT_PAUSE = 3, 2.0
#: Of the balloon and of the process, as clients of old read them.
_MEMORY = {"actual": "memory-actual", "rss": "memory-rss", "available": "memory-available",
           "unused": "memory-unused", "swap_in": "memory-swap_in", "swap_out": "memory-swap_out",
           "major_fault": "memory-major_fault", "minor_fault": "memory-minor_fault"}


class LibvirtInside(GuestAgent, Nmi, Diagnostics):
    hypervisor: Hypervisor

    def set_password(self, uuid: str, user: str, password: str) -> None:
        """An agent that has just been restored with its guest, or that boots, may miss a first word."""
        for again in reversed(range(AGENT_TRIES)):
            try:
                self.hypervisor.connection.domain(uuid, self._set_password, user, password)
                return
            except errors.Conflict:
                if not again:
                    raise
                concurrency.sleep(AGENT_PAUSE)

    def inject_nmi(self, uuid: str) -> None:
        self.hypervisor.connection.domain(uuid, lambda dom: dom.injectNMI())

    def diagnostics(self, uuid: str) -> GuestDiagnostics:
        found: GuestDiagnostics = self.hypervisor.connection.domain(uuid, self._diagnostics)
        return found

    # in a blocking call, apart from other tasks

    def _set_password(self, dom: Any, user: str, password: str) -> None:
        libvirt = self.hypervisor.libvirt
        try:
            dom.agentSetResponseTimeout(AGENT_TIMEOUT)
            dom.setUserPassword(user, password)
        except libvirt.libvirtError as e:
            if e.get_error_code() in (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_OPERATION_INVALID,
                                      libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED):
                raise errors.Conflict("The QEMU guest agent does not answer: the guest must run one on its channel "
                                      f"org.qemu.guest_agent.0 ({e.get_error_message()}).") from e
            raise

    def _diagnostics(self, dom: Any) -> GuestDiagnostics:
        libvirt = self.hypervisor.libvirt
        state, maximum, memory, vcpus, cpu_time = dom.info()
        document = etree.fromstring(dom.XMLDesc(0))
        active = bool(dom.isActive())
        stats = dom.memoryStats() if active else {}
        cpus = [CpuCounters(cpu[0], cpu[2]) for cpu in dom.vcpus()[0]] if active else [
            CpuCounters(number, 0) for number in range(vcpus)]
        return GuestDiagnostics(
            state=STATES.get(state, PowerState.NOSTATE), driver="libvirt",
            hypervisor=self.hypervisor.settings.virt_type, hypervisor_os="linux", memory=maximum,
            memory_used=max(0, stats.get("available", memory) - stats.get("unused", 0)), cpus=tuple(cpus),
            disks=tuple(_disk(dom, device, libvirt) for device in document.xpath("devices/disk/target/@dev")) if active
            else (),
            nics=tuple(_nic(dom, node, libvirt) for node in document.findall("devices/interface")) if active else (),
            more={name: stats[key] for key, name in _MEMORY.items() if key in stats})


def _disk(dom: Any, device: str, libvirt: Any) -> DiskCounters:
    try:
        reads, read, writes, written, failed = dom.blockStats(device)
    except libvirt.libvirtError:  # an empty drive counts nothing
        reads = read = writes = written = failed = 0
    return DiskCounters(device, read, reads, written, writes, failed)


def _nic(dom: Any, node: Any, libvirt: Any) -> NicCounters:
    device, mac = node.find("target").get("dev"), node.find("mac").get("address")
    try:
        rx, rx_packets, rx_errors, rx_drop, tx, tx_packets, tx_errors, tx_drop = dom.interfaceStats(device)
    except libvirt.libvirtError:  # it is on its way out
        rx = rx_packets = rx_errors = rx_drop = tx = tx_packets = tx_errors = tx_drop = 0
    return NicCounters(device, mac, rx, rx_packets, rx_errors, rx_drop, tx, tx_packets, tx_errors, tx_drop)
