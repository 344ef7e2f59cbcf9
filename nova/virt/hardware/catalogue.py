# SPDX-License-Identifier: Apache-2.0
"""Every extra spec and image property that changes a guest's hardware. Nothing is read or checked here.

Columns: the name that code asks by, the extra spec, the image property (``-`` for none), who wins when both are given
(``refuse`` when they differ, ``flavor``, ``image``, or ``rule`` for rules of its own), and the kind of value:
``flag``, ``number``, ``text``, ``cpus``, or the words that are allowed. Indented below: what it does.
"""

from __future__ import annotations

import dataclasses
import functools

from nova import errors

CLASHES = ("refuse", "flavor", "image", "rule")

LINES = """
cpu_sockets       hw:cpu_sockets                 hw_cpu_sockets                 rule   number
    sockets that the guest sees
cpu_cores         hw:cpu_cores                   hw_cpu_cores                   rule   number
    cores per socket
cpu_threads       hw:cpu_threads                 hw_cpu_threads                 rule   number
    threads per core
cpu_max_sockets   hw:cpu_max_sockets             hw_cpu_max_sockets             rule   number
    most sockets; an image may only lower it
cpu_max_cores     hw:cpu_max_cores               hw_cpu_max_cores               rule   number
    most cores per socket; an image may only lower it
cpu_max_threads   hw:cpu_max_threads             hw_cpu_max_threads             rule   number
    most threads per core; an image may only lower it
cpu_policy        hw:cpu_policy                  hw_cpu_policy                  rule   shared dedicated mixed
    processors of its own (dedicated), of all (shared), or some of each
cpu_thread_policy hw:cpu_thread_policy           hw_cpu_thread_policy           rule   prefer isolate require
    dedicated processors on sibling threads if possible, on cores with nobody beside, or on siblings only
cpu_dedicated_mask hw:cpu_dedicated_mask          -                              flavor cpus
    which vCPUs are dedicated with the policy mixed; ^ means all but
emulator_threads  hw:emulator_threads_policy     -                              flavor share isolate
    where the emulator's own threads run: on the host's shared processors, or on one dedicated processor more
cpu_realtime      hw:cpu_realtime                -                              flavor flag
    vCPUs run under the realtime scheduler; needs dedicated processors
cpu_realtime_mask hw:cpu_realtime_mask           hw_cpu_realtime_mask           image  cpus
    which vCPUs are realtime; ^ means all but
pmu               hw:pmu                         hw_pmu                         refuse flag
    performance counters
hide_hypervisor   hw:hide_hypervisor_id          img_hide_hypervisor_id         refuse flag
    hide KVM's signature from the guest
maxphysaddr_mode  -                              hw_maxphysaddr_mode            image  emulate passthrough
    the width of physical addresses
maxphysaddr_bits  -                              hw_maxphysaddr_bits            image  number
    bits with hw_maxphysaddr_mode emulate
cpu_shares        quota:cpu_shares               -                              flavor number
    weight against other guests
cpu_period        quota:cpu_period               -                              flavor number
    microseconds that quota:cpu_quota is counted in
cpu_quota         quota:cpu_quota                -                              flavor number
    microseconds of processor time per period and vCPU
numa_nodes        hw:numa_nodes                  hw_numa_nodes                  rule   number
    NUMA nodes of the guest
mem_page_size     hw:mem_page_size               hw_mem_page_size               rule   text
    small, large, any, or a size such as 2MB; an image may refine large and any
locked_memory     hw:locked_memory               hw_locked_memory               refuse flag
    memory that is never swapped; needs hw:mem_page_size
pci_affinity      hw:pci_numa_affinity_policy hw_pci_numa_affinity_policy refuse required preferred legacy socket
    how near to the guest's memory a passed-through device must be
pci_alias         pci_passthrough:alias          -                              flavor text
    passed-through devices as NAME:COUNT, separated by commas; names come from [pci] alias
firmware          -                              hw_firmware_type               image  bios uefi
    the firmware
firmware_stateless -                              hw_firmware_stateless          image  flag
    UEFI that keeps no variables
secure_boot       os:secure_boot                 os_secure_boot                 refuse required optional disabled
    UEFI with secure boot; needs the machine q35
machine_type      -                              hw_machine_type                image  text
    the machine, such as pc or q35
architecture      -                              hw_architecture                image  text
    must be the host's
tpm_version       hw:tpm_version                 hw_tpm_version                 refuse 1.2 2.0
    a TPM; needs swtpm on the host
tpm_model         hw:tpm_model                   hw_tpm_model                   refuse tpm-tis tpm-crb
    the TPM's interface; tpm-crb is for 2.0
viommu            hw:viommu_model                hw_viommu_model                refuse intel virtio auto
    an IOMMU for the guest; intel needs the machine q35
boot_menu         hw:boot_menu                   hw_boot_menu                   flavor flag
    ask at boot which device to boot from
disk_bus          -                              hw_disk_bus                    image  virtio scsi ide sata usb
    the bus of its disks
cdrom_bus         -                              hw_cdrom_bus                   image  virtio scsi ide sata usb
    the bus of its CD-ROMs, such as a config drive
scsi_model        - hw_scsi_model image auto buslogic ibmvscsi lsilogic lsisas1068 lsisas1078 virtio-scsi vmpvscsi
    the controller of the bus scsi
vif_model         - hw_vif_model image virtio e1000 e1000e ne2k_pci pcnet rtl8139 vmxnet3
    the model of its network cards
vif_multiqueue    hw:vif_multiqueue_enabled      hw_vif_multiqueue_enabled      refuse flag
    one queue per vCPU in virtio network cards
packed_ring       hw:virtio_packed_ring          hw_virtio_packed_ring          refuse flag
    packed rings in virtio disks and network cards
video_model       - hw_video_model image vga cirrus vmvga qxl virtio bochs none
    the graphics card
video_ram         -                              hw_video_ram                   image  number
    MiB of the graphics card; needs hw_video:ram_max_mb
video_ram_max     hw_video:ram_max_mb            -                              flavor number
    most MiB that an image may ask for
rng_model         -                              hw_rng_model                   image  virtio none
    the random number device; there is one by default
rng_allowed       hw_rng:allowed                 -                              flavor flag
    false takes the random number device away
rng_bytes         hw_rng:rate_bytes              -                              flavor number
    bytes that it may give per period
rng_period        hw_rng:rate_period             -                              flavor number
    that period in milliseconds; 1000 by default
watchdog          hw:watchdog_action hw_watchdog_action image none pause poweroff reset disabled
    what happens when the guest stops feeding its watchdog
serial_ports      hw:serial_port_count           hw_serial_port_count           rule   number
    serial ports; an image may ask for no more than the flavor gives. The first is the console that is logged
guest_agent       -                              hw_qemu_guest_agent            image  flag
    the channel of the guest agent, there by default
input_bus         -                              hw_input_bus                   image  usb virtio
    the bus of the pointing device
pointer_model     -                              hw_pointer_model               image  usbtablet ps2mouse
    the pointing device
usb_model hw:usb_model hw_usb_model refuse none piix3-uhci piix4-uhci ehci ich9-ehci1 vt82c686b-uhci nec-xhci qemu-xhci
    the USB controller
sound_model       hw:sound_model hw_sound_model refuse sb16 es1370 pcspk ac97 ich6 ich9 usb
    a sound card
os_type           -                              os_type                        image  text
    windows gets local time, Hyper-V's enlightenments, and NTFS on its ephemeral disk
hpet              -                              hw_time_hpet                   image  flag
    the high precision timer
config_drive      -                              img_config_drive               image  mandatory optional
    mandatory gives every server of the image a config drive
disk_read_bytes   quota:disk_read_bytes_sec      -                              flavor number
    bytes per second read from each disk
disk_read_iops    quota:disk_read_iops_sec       -                              flavor number
    reads per second from each disk
disk_write_bytes  quota:disk_write_bytes_sec     -                              flavor number
    bytes per second written to each disk
disk_write_iops   quota:disk_write_iops_sec      -                              flavor number
    writes per second to each disk
disk_total_bytes  quota:disk_total_bytes_sec     -                              flavor number
    bytes per second of each disk, both ways; not together with the two
disk_total_iops   quota:disk_total_iops_sec      -                              flavor number
    requests per second of each disk, both ways; not together with the two
vif_in_average    quota:vif_inbound_average      -                              flavor number
    KiB per second to each network card
vif_in_peak       quota:vif_inbound_peak         -                              flavor number
    KiB per second in bursts
vif_in_burst      quota:vif_inbound_burst        -                              flavor number
    KiB that may go at peak speed
vif_out_average   quota:vif_outbound_average     -                              flavor number
    KiB per second from each network card
vif_out_peak      quota:vif_outbound_peak        -                              flavor number
    KiB per second in bursts
vif_out_burst     quota:vif_outbound_burst       -                              flavor number
    KiB that may go at peak speed
"""

#: Parameterised ones, for the tables of the documentation; :mod:`nova.virt.hardware.numa` reads them.
PER_NODE = """
numa_cpus         hw:numa_cpus.N                 hw_numa_cpus.N                 rule   cpus
    which vCPUs are on node N; without it they are spread evenly
numa_mem          hw:numa_mem.N                  hw_numa_mem.N                  rule   number
    MiB of node N; without it memory is spread evenly
"""

#: What is known and cannot be had; asking for it is refused rather than overlooked. After the colon: why.
REFUSED = """
hw:mem_encryption             hw_mem_encryption         : no host of this cloud has encrypted memory
hw:mem_encryption_model       hw_mem_encryption_model   : no host of this cloud has encrypted memory
hw:ephemeral_encryption       hw_ephemeral_encryption   : local disks cannot be encrypted
hw:tpm_secret_security        -                         : a TPM's state is kept by the host without a secret
hw:pmem                       -                         : persistent memory is not passed to guests
hw:redirected_usb_ports       hw_redirected_usb_ports   : USB redirection needs a SPICE console
accel:device_profile          -                         : there is no accelerator service
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One line of the catalogue."""

    name: str
    spec: str | None
    prop: str | None
    clash: str
    kind: str
    what: str

    @property
    def words(self) -> tuple[str, ...]:
        return () if self.kind in ("flag", "number", "text", "cpus") else tuple(self.kind.split())


def _parse(text: str) -> tuple[Wish, ...]:
    found: list[Wish] = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            found[-1] = dataclasses.replace(found[-1], what=f"{found[-1].what} {line.strip()}".strip())
            continue
        name, spec, prop, clash, kind = line.split(maxsplit=4)
        if clash not in CLASHES:
            raise ValueError(line)
        found.append(Wish(name, None if spec == "-" else spec, None if prop == "-" else prop, clash, kind.strip(), ""))
    return tuple(found)


@functools.cache
def wishes() -> dict[str, Wish]:
    return {wish.name: wish for wish in _parse(LINES)}


@functools.cache
def by_key() -> dict[str, str]:
    """Extra spec or image property → the name that code asks by."""
    return {key: wish.name for wish in wishes().values() for key in (wish.spec, wish.prop) if key}


@functools.cache
def per_node() -> tuple[Wish, ...]:
    return _parse(PER_NODE)


@functools.cache
def refused() -> dict[str, str]:
    """Extra spec or image property → why it cannot be had."""
    found = {}
    for line in REFUSED.strip().splitlines():
        names, _, why = line.partition(" : ")
        found.update({name: why.strip() for name in names.split() if name != "-"})
    return found


def invalid(name: str, value: object, why: str) -> errors.Invalid:
    return errors.Invalid(f"{name} = '{value}' cannot be: {why}.")
