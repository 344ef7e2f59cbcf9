# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver, put together from its parts: one per interface."""

from __future__ import annotations

import pathlib
from typing import Any

from oslo_config import cfg

from nova.conf import compute as compute_conf
from nova.conf import compute_cpus, guest_disks, live_migration, pci
from nova.conf import libvirt as libvirt_conf
from nova.host.handover import Handover
from nova.virt.interfaces import Capabilities, Driver, ImageCache, Listener
from nova.virt.libvirt.console import LibvirtConsole
from nova.virt.libvirt.events import LibvirtEvents
from nova.virt.libvirt.guest import LibvirtInside
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.libvirt.interfaces import LibvirtInterfaces
from nova.virt.libvirt.inventory import LibvirtInventory
from nova.virt.libvirt.live_migration import LibvirtLiveMigration
from nova.virt.libvirt.pause import LibvirtPause
from nova.virt.libvirt.rebuild import LibvirtRebuild
from nova.virt.libvirt.rescue import LibvirtRescue
from nova.virt.libvirt.resize import LibvirtResize
from nova.virt.libvirt.snapshots import LibvirtSnapshots
from nova.virt.types import ImageSource

CAPABILITIES = Capabilities(
    driver="libvirt",
    hypervisor_type="QEMU",
    image_formats=frozenset({"qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso"}),
    has_imagecache=True,
    data_plane=True,
)


class LibvirtDriver(
    Driver, LibvirtLiveMigration, LibvirtResize, LibvirtRebuild, LibvirtPause, LibvirtInside, LibvirtInterfaces,
    LibvirtSnapshots, LibvirtRescue, LibvirtInventory, LibvirtConsole, LibvirtEvents, ImageCache,
):
    """Guests on one libvirt daemon."""

    def __init__(self, conf: cfg.ConfigOpts, host: str, state_path: pathlib.Path) -> None:
        self.hypervisor = Hypervisor(conf, host, state_path)
        self.handover = Handover(self.hypervisor.instances, state_path / "handover.key", compute_conf.host_ip(conf),
                                 conf.libvirt.handover_port)
        self._listeners: list[Listener] = []
        self._standing: dict[str, str] = {}
        self._subscriptions: list[tuple[Any, int]] = []
        self.hypervisor.opened.append(self.watch)
        self.hypervisor.ready.append(self.catch_up)
        self.hypervisor.closing.append(self.unwatch)

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def start(self) -> None:
        self.hypervisor.start()
        self.hand_out_again()

    def stop(self) -> None:
        self.handover.stop()
        self.rest()
        self.hypervisor.stop()

    def cache_image(self, image: ImageSource) -> None:
        self.hypervisor.cache.get(image)

    def prune_images(self, unused_seconds: float) -> list[str]:
        return self.hypervisor.cache.prune(unused_seconds, self.hypervisor.disks.bases())


def make(conf: cfg.ConfigOpts, host: str, state_path: pathlib.Path) -> LibvirtDriver:
    for section in (compute_conf, compute_cpus, guest_disks, libvirt_conf, live_migration, pci):
        section.register(conf)
    return LibvirtDriver(conf, host, state_path)
