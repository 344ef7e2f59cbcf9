# SPDX-License-Identifier: Apache-2.0
"""What the parts of the libvirt driver share: the connection, the places of files, and what this host can do."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable
from typing import Any

from lxml import etree
from oslo_config import cfg

from nova import concurrency, errors
from nova.host import download, files, machine
from nova.host.imagecache import ImageCache
from nova.virt.libvirt.connection import Connection
from nova.virt.libvirt.domain import NAMESPACE, Settings

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


class Hypervisor:
    """One libvirt daemon, and the directory where guests of ours have their files."""

    def __init__(self, conf: cfg.ConfigOpts, state_path: pathlib.Path) -> None:
        section = conf.libvirt
        self.conf = conf
        self.instances = pathlib.Path(section.instances_path or state_path / "instances").absolute()
        self.opened: list[Callable[[Any], None]] = []
        self.connection = Connection(section.connection_uri, section.connect_timeout, self._on_open)
        self.cache = ImageCache(self.instances / BASES, download.fetch, base_format=section.base_image_format)
        self._host: Host | None = None
        self._settings: Settings | None = None

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

    def start(self) -> None:
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

    def _on_open(self, conn: Any) -> None:
        for register in self.opened:
            register(conn)

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
        if cpu_mode == "custom" and not section.cpu_model:
            raise errors.ConfigError("libvirt.cpu_mode = custom needs libvirt.cpu_model.")
        cachemode = section.disk_cachemode
        if cachemode == "auto":
            cachemode = "none" if _direct_io(self.instances) else "writeback"
        return Settings(
            virt_type=virt_type,
            arch=host.arch,
            cpu_mode=cpu_mode,
            cpu_model=section.cpu_model,
            machine_type=section.machine_type,
            cachemode=cachemode,
            vnc_listen=section.vnc_listen,
            tb_cache_mib=section.tb_cache_mib,
            mem_stats_period=section.mem_stats_period_seconds,
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


def _describe(conn: Any) -> Host:
    capabilities = etree.fromstring(conn.getCapabilities())
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
