# SPDX-License-Identifier: Apache-2.0
"""What libvirt can give a guest on one kind of machine, by its domain capabilities, and the traits for it."""

from __future__ import annotations

import dataclasses

from lxml import etree

#: Disk buses, cards and so on by the traits that they stand for.
_NET_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3")
_BUSES = {"virtio": "VIRTIO", "scsi": "SCSI", "ide": "IDE", "sata": "SATA", "usb": "USB", "fdc": "FDC"}
_VIDEO = {"vga": "VGA", "cirrus": "CIRRUS", "vmvga": "VMVGA", "qxl": "QXL", "virtio": "VIRTIO", "bochs": "BOCHS",
          "none": "NONE"}


@dataclasses.dataclass(frozen=True, slots=True)
class Offers:
    """None where nothing is known, and so nothing is refused."""

    disk_buses: frozenset[str] | None = None
    video_models: frozenset[str] | None = None
    tpm_models: frozenset[str] | None = None
    tpm_emulator: bool = False
    uefi: bool = False
    secure_boot: bool = False
    cpu_models: frozenset[str] | None = None
    cpu_modes: frozenset[str] | None = None
    host_model: str | None = None
    """The document of the model that mode host-model stands for."""

    def traits(self) -> set[str]:
        found = {f"COMPUTE_NET_VIF_MODEL_{m.upper()}" for m in _NET_MODELS}
        found |= {f"COMPUTE_STORAGE_BUS_{_BUSES[b]}" for b in (self.disk_buses or {"virtio"}) & _BUSES.keys()}
        found |= {f"COMPUTE_GRAPHICS_MODEL_{_VIDEO[v]}" for v in (self.video_models or {"vga"}) & _VIDEO.keys()}
        if self.secure_boot:
            found.add("COMPUTE_SECURITY_UEFI_SECURE_BOOT")
        if self.uefi:
            found.add("COMPUTE_SECURITY_STATELESS_FIRMWARE")
        if self.tpm_emulator:
            found |= {"COMPUTE_SECURITY_TPM_1_2", "COMPUTE_SECURITY_TPM_2_0"}
            found |= {f"COMPUTE_SECURITY_{m.upper().replace('-', '_')}" for m in self.tpm_models or ()}
        return found


def parse(xml: str) -> Offers:
    """From the document that virConnectGetDomainCapabilities gives."""
    root = etree.fromstring(xml)

    def values(path: str) -> frozenset[str]:
        return frozenset(v.text for v in root.findall(f"{path}/value"))

    def supported(path: str) -> bool:
        node = root.find(path)
        return node is not None and node.get("supported") == "yes"

    modes = frozenset(m.get("name") for m in root.findall("cpu/mode[@supported='yes']"))
    model = root.find("cpu/mode[@name='host-model'][@supported='yes']")
    return Offers(
        disk_buses=values("devices/disk/enum[@name='bus']"),
        video_models=values("devices/video/enum[@name='modelType']"),
        tpm_models=values("devices/tpm/enum[@name='model']") if supported("devices/tpm") else frozenset(),
        tpm_emulator="emulator" in values("devices/tpm/enum[@name='backendModel']"),
        uefi="efi" in values("os/enum[@name='firmware']"),
        secure_boot="efi" in values("os/enum[@name='firmware']")
        and "yes" in values("os/loader/enum[@name='secure']"),
        cpu_models=frozenset(m.text for m in root.findall("cpu/mode[@name='custom']/model")
                             if m.get("usable") != "no"),
        cpu_modes=modes,
        host_model=_host_model(model) if model is not None else None,
    )


def _host_model(mode: etree._Element) -> str:
    cpu = etree.Element("cpu", mode="custom", match="exact")
    cpu.extend(list(mode))
    text: str = etree.tostring(cpu, encoding="unicode")
    return text
