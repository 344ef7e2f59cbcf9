# SPDX-License-Identifier: Apache-2.0
"""What the parts of the libvirt driver share: the connection, the places of files, and what this host can do."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from lxml import etree
from oslo_config import cfg

from nova import concurrency, errors
from nova.host import download, files, machine
from nova.host.imagecache import ImageCache
from nova.virt.hardware import pci, traits
from nova.virt.hardware.pci import Device
from nova.virt.libvirt import cpu_features, host_nodes, offers, pci_devices, refusals
from nova.virt.libvirt.connection import Connection
from nova.virt.libvirt.disks import GuestDisks
from nova.virt.libvirt.domain import NAMESPACE, DiskFile, Draft, Settings, build
from nova.virt.libvirt.offers import Offers
from nova.virt.libvirt.ownership import Ownership
from nova.virt.libvirt.planner import Planner
from nova.virt.libvirt.xml.draft import machine_of
from nova.virt.patience import Patience
from nova.virt.types import GuestSpec

LOG = logging.getLogger(__name__)

BASES = "_base"


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """What libvirt says of the host, asked once at start."""

    hostname: str
    version: int
    arch: str
    cpu: dict[str, Any]
    supported: tuple[tuple[str, str, str], ...]
    qemu_uid: int | None
    capabilities: str = dataclasses.field(default="", repr=False)


class Hypervisor:
    """One libvirt daemon, and the directory where guests of ours have their files."""

    def __init__(self, conf: cfg.ConfigOpts, host: str, state_path: pathlib.Path) -> None:
        section = conf.libvirt
        self.conf = conf
        self.ownership = Ownership(host)
        self.instances = pathlib.Path(section.instances_path or state_path / "instances").absolute()
        self.opened: list[Callable[[Any], None]] = []
        self.ready: list[Callable[[Any], None]] = []
        self.closing: list[Callable[[Any], None]] = []
        self.patience = Patience()
        self.connection = Connection(section.connection_uri, section.connect_timeout, _each(self.opened),
                                     _each(self.ready), _each(self.closing))
        self.cache = ImageCache(self.instances / BASES, download.fetch, base_format=section.base_image_format)
        self._host: Host | None = None
        self._settings: Settings | None = None
        self._planner: Planner | None = None
        self._disks: GuestDisks | None = None
        self._offers: dict[str, Offers] = {}
        self._usual: list[Offers] = []
        self.guest_features: frozenset[str] = frozenset()

    @property
    def libvirt(self) -> Any:
        return self.connection.libvirt

    @property
    def host(self) -> Host:
        if self._host is None:
            raise errors.Unavailable("The libvirt driver is not started.")
        return self._host

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            raise errors.Unavailable("The libvirt driver is not started.")
        return self._settings

    @property
    def planner(self) -> Planner:
        if self._planner is None:
            raise errors.Unavailable("The libvirt driver is not started.")
        return self._planner

    @property
    def disks(self) -> GuestDisks:
        if self._disks is None:
            raise errors.Unavailable("The libvirt driver is not started.")
        return self._disks

    def start(self) -> None:
        self._disks = GuestDisks(self.instances, self.cache, self.conf)
        try:
            self.instances.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise errors.ConfigError(
                f"libvirt.instances_path = {self.instances} cannot be made: {e.strerror}. Set it to a directory "
                "that nova-compute may write.") from e
        files.finish_removals(self.instances)
        self.connection.start()
        try:
            self._host = self.connection.call(_describe)
            self._check_reach(self._host.qemu_uid)
            self._settings = self._decide(self._host)
            self._planner = Planner(self.instances, self._host.hostname, self._settings.nodes, self.devices,
                                    pci.aliases(self.conf.pci.alias))
            self._settings = self.connection.call(self._ask_for_processors)
        except BaseException:
            self.connection.stop()
            raise
        LOG.info("guests run as %s under libvirt %s, disks in %s with cache mode %s", self._settings.virt_type,
                 self._host.version, self.instances, self._settings.cachemode)

    def stop(self) -> None:
        self.connection.stop()

    def directory(self, uuid: str) -> pathlib.Path:
        return self.instances / uuid

    def ours(self, dom: Any) -> bool:
        """Whether a domain is a guest of this driver: two clouds may share one libvirt daemon."""
        try:
            text = dom.metadata(self.libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0)
        except self.libvirt.libvirtError as e:
            if e.get_error_code() in (self.libvirt.VIR_ERR_NO_DOMAIN_METADATA, self.libvirt.VIR_ERR_NO_DOMAIN):
                return False
            raise
        path = etree.fromstring(text).findtext("{*}path")
        return path is not None and pathlib.Path(path).parent == self.instances

    def claim(self, guest: GuestSpec) -> None:
        """Give the guest its part of the host, if it can be had: :class:`errors.HostFailure` says why not.

        To be called before anything else of a guest is made. What it has already, it keeps.
        """
        try:
            settings = self.connection.call(self._settings_for, guest)
            refusals.check(Draft(guest, self.directory(guest.uuid), (), settings))
            self.planner.claim(guest)
        except errors.Invalid as e:
            raise errors.HostFailure(e.message, retry=False) from e

    def layout(self, guest: GuestSpec) -> list[DiskFile]:
        """Which disks a guest has, whether made or not."""
        return self.disks.layout(guest, self.settings)

    def document(self, conn: Any, guest: GuestSpec, name: str, made: Sequence[DiskFile]) -> str:
        """The guest as libvirt is to know it, on its part of the host. In a blocking call."""
        return build(guest, name, self.directory(guest.uuid), made, self._settings_for(conn, guest),
                     self.planner.of(guest.uuid))

    def devices(self) -> tuple[Device, ...]:
        """What of this host's devices guests may have; asked anew, for functions come and go."""
        spec = pci.device_spec(self.conf.pci.device_spec)
        if not spec:
            return ()
        flags = self.libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV | \
            self.libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET
        documents = self.connection.call(lambda conn: [d.XMLDesc(0) for d in conn.listAllDevices(flags)])
        return pci.allowed(pci_devices.parse(documents), spec)

    def offers(self, conn: Any, machine: str) -> Offers:
        """What libvirt has for guests on this machine. In a blocking call. ``HostFailure`` for an unknown one."""
        if machine not in self._offers:
            settings = self.settings
            try:
                told = conn.getDomainCapabilities(None, settings.arch, machine, settings.virt_type, 0)
            except self.libvirt.libvirtError as e:
                unknown = (self.libvirt.VIR_ERR_INVALID_ARG, self.libvirt.VIR_ERR_CONFIG_UNSUPPORTED)
                if e.get_error_code() not in unknown:
                    raise
                raise errors.HostFailure(f"This host has no machine {machine}: {e.get_error_message()}.",
                                         retry=True) from e
            self._offers[machine] = offers.parse(told)
        return self._offers[machine]

    def traits(self) -> set[str]:
        """What guests can have here, on its usual machines, and what processors they see."""
        found = set(traits.of_features(self.guest_features))
        for known in self._usual:
            found |= known.traits()
        if any(node.threads > 1 for node in self.settings.nodes.nodes):
            found.add("HW_CPU_HYPERTHREADING")
        return found

    def _settings_for(self, conn: Any, guest: GuestSpec) -> Settings:
        return dataclasses.replace(self.settings, offers=self.offers(conn, machine_of(guest, self.settings)))

    def _ask_for_processors(self, conn: Any) -> Settings:
        settings = self.settings
        known = cpu_features.of_models(self.libvirt, conn, settings.arch, settings.virt_type, settings.cpu_models)
        here = self.offers(conn, settings.machine_type or "pc")
        if settings.cpu_mode not in ("none", "custom") and settings.cpu_mode not in (here.cpu_modes or ()):
            raise errors.ConfigError(f"libvirt.cpu_mode = {settings.cpu_mode}: this host can do "
                                     f"{', '.join(sorted(here.cpu_modes or ()))} with {settings.virt_type}.")
        self.guest_features = cpu_features.of_guests(
            self.libvirt, conn, settings.arch, settings.virt_type, settings.cpu_mode, here, known)
        self._usual = [here]
        if settings.arch == "x86_64" and settings.machine_type is None:
            self._usual.append(self.offers(conn, "q35"))  # for images with UEFI
        return dataclasses.replace(settings, features=known, offers=here)

    def _decide(self, host: Host) -> Settings:
        section = self.conf.libvirt
        virt_type = section.virt_type
        if virt_type == "auto":
            virt_type = "kvm" if machine.kvm_usable() else "qemu"
        if not any(kind == virt_type for _, kind, _ in host.supported):
            raise errors.ConfigError(
                f"libvirt.virt_type = {section.virt_type}: libvirt offers no {virt_type} guests here. Install "
                "qemu-system-x86" + (", or set it to qemu." if virt_type == "kvm" else "."))
        cpu_mode = section.cpu_mode
        if cpu_mode == "auto":
            cpu_mode = "host-model" if virt_type == "kvm" else "none"
        if cpu_mode == "custom" and not section.cpu_models:
            raise errors.ConfigError("libvirt.cpu_mode = custom needs libvirt.cpu_models.")
        if cpu_mode == "none" and section.cpu_model_extra_flags:
            raise errors.ConfigError("libvirt.cpu_model_extra_flags needs a libvirt.cpu_mode other than none.")
        cachemode = section.disk_cachemode
        if cachemode == "auto":
            cachemode = "none" if _direct_io(self.instances) else "writeback"
        return Settings(
            virt_type=virt_type,
            arch=host.arch,
            cpu_mode=cpu_mode,
            cpu_models=tuple(section.cpu_models) if cpu_mode == "custom" else (),
            cpu_flags=tuple(section.cpu_model_extra_flags),
            machine_type=_machines(section.hw_machine_type).get(host.arch),
            cachemode=cachemode,
            vnc_listen=section.vnc_listen,
            tb_cache_mib=section.tb_cache_mib,
            mem_stats_period=section.mem_stats_period_seconds,
            nodes=host_nodes.parse(
                host.capabilities, machine.memory().total, dedicated=self.conf.compute.cpu_dedicated_set,
                shared=self.conf.compute.cpu_shared_set, reserved_pages=self.conf.reserved_huge_pages),
        )

    def _check_reach(self, uid: int | None) -> None:
        """QEMU runs as a user of its own and must get to the disks."""
        if not uid:
            return
        for place in (self.instances, *self.instances.parents):
            status = place.stat()
            if status.st_uid != uid and not status.st_mode & 0o011:
                raise errors.ConfigError(
                    f"libvirt.instances_path = {self.instances}: QEMU runs as user {uid}, which may not pass through "
                    f"{place}. Run `chmod o+x {place}`, or choose another directory.")


def _machines(told: Sequence[str]) -> dict[str, str]:
    """Machines by architecture, of entries like x86_64=q35."""
    if not all("=" in entry for entry in told):
        raise errors.ConfigError(f"libvirt.hw_machine_type = {','.join(told)}: give ARCHITECTURE=MACHINE, such as "
                                 "x86_64=q35.")
    return {arch.strip(): machine_type.strip() for arch, _, machine_type in (e.partition("=") for e in told)}


def _each(handlers: list[Callable[[Any], None]]) -> Callable[[Any], None]:
    def tell(conn: Any) -> None:
        for handler in handlers:
            handler(conn)

    return tell


def _describe(conn: Any) -> Host:
    told = conn.getCapabilities()
    capabilities = etree.fromstring(told)
    cpu = capabilities.find("host/cpu")
    topology = cpu.find("topology")
    label = capabilities.findtext("host/secmodel[model='dac']/baselabel[@type='kvm']") or ""
    owner = label.partition(":")[0].lstrip("+")
    return Host(
        hostname=conn.getHostname(),
        version=conn.getVersion(),
        arch=cpu.findtext("arch"),
        cpu={
            "arch": cpu.findtext("arch"),
            "model": cpu.findtext("model") or "",
            "vendor": cpu.findtext("vendor") or "",
            "topology": {k: int(topology.get(k)) for k in ("sockets", "cores", "threads")}
            if topology is not None else {},
            "features": sorted(f.get("name") for f in cpu.findall("feature")),
        },
        supported=tuple(
            (arch.get("name"), domain.get("type"), guest.findtext("os_type"))
            for guest in capabilities.findall("guest")
            for arch in guest.findall("arch")
            for domain in arch.findall("domain")
        ),
        qemu_uid=int(owner) if owner.isdigit() else None,
        capabilities=told,
    )


def _direct_io(directory: pathlib.Path) -> bool:
    """Whether the file system under ``directory`` can do without the page cache."""
    probe = directory / f".direct-io-{concurrency.uuid4()}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC, 0o600))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True
