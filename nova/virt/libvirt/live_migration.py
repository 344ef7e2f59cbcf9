# SPDX-License-Identifier: Apache-2.0
"""Running guests that move from one libvirt host to another, with their disks where the hosts share none.

The source's daemon speaks to the destination's, so that a migration goes on without nova-compute. A guest that has
arrived is no longer defined at its source: that decides where it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from nova import concurrency, errors
from nova.conf import compute as compute_conf
from nova.host import files, images
from nova.virt.interfaces import LiveMigration
from nova.virt.libvirt import arrival, migration_job, post_copy
from nova.virt.libvirt.arrival import SourceDisk
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.libvirt.lifecycle import LibvirtLifecycle
from nova.virt.libvirt.post_copy import Standing
from nova.virt.libvirt.xml.draft import DiskFile
from nova.virt.migration import Watch, Wishes
from nova.virt.types import GuestSpec, no_progress

LOG = logging.getLogger(__name__)
GIB = 1 << 30
#: In a guest's directory: which hosts see it, that a copy of its disks has begun, that it is no more than that copy.
PROBE, BEGUN, COPY = "probe", "migrating", "arriving"
#: That the guest has begun to run elsewhere, on disks that are newer than those here.
LEFT = "left"
#: Seconds in which what libvirt told is written down.
HEARD = 1.0


class LibvirtLiveMigration(LibvirtLifecycle, LiveMigration):
    """``pace``: how often a migration is asked how far it is."""

    hypervisor: Hypervisor
    pace = migration_job.Pace()

    # -- source --------------------------------------------------------------------------------------------------------

    def examine(self, uuid: str, mark: str) -> Mapping[str, Any]:
        host, libvirt = self.hypervisor.host, self.hypervisor.libvirt
        state, xml = self._on_domain(uuid, lambda dom: (dom.state()[0], dom.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)))
        if state not in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_BLOCKED):
            raise errors.HostFailure("The guest does not run, so it cannot be moved while it runs.", retry=False)
        files.write_atomic(self.hypervisor.directory(uuid) / PROBE, mark.encode())
        return {"driver": "libvirt", "virt_type": self.hypervisor.settings.virt_type, "version": host.version,
                "arch": host.arch, "xml": xml, "probe": mark,
                "post_copy": self._options.live_migration_permit_post_copy and state != libvirt.VIR_DOMAIN_PAUSED,
                "disks": [dataclasses.asdict(_measured(disk)) for disk in arrival.disks(xml)]}

    def migrate(self, uuid: str, destination: Mapping[str, Any], wishes: Wishes, watch: Watch) -> None:
        failure: errors.NovaError = errors.HostFailure("The migration that was under way has failed.")
        try:
            if self._leave(uuid, destination, watch):
                return
        except errors.Stale:
            raise
        except errors.NovaError as e:
            failure = e
        if not self._has_left(uuid, destination):
            if isinstance(failure, errors.Unavailable):  # it is not the daemon here: that one has just answered
                raise errors.HostFailure(failure.message) from failure
            raise failure

    def _leave(self, uuid: str, destination: Mapping[str, Any], watch: Watch) -> bool:
        """Whether a migration begun here has come to its good end; of one that is found, the guest tells."""
        connection = self.hypervisor.connection
        start = None
        if post_copy.standing(connection, uuid) is not Standing.HERE:
            return False
        if not migration_job.under_way(connection, uuid):
            self._go_on(uuid)
            parameters, flags = self._orders(uuid, destination)

            def start(dom: Any) -> None:
                dom.migrateToURI3(destination["uri"], parameters, flags)

        gib = sum(destination["sizes"]) / GIB
        migration_job.Job(connection, uuid, self.hypervisor.conf, gib, start, self.pace,
                          post_copy=bool(destination.get("post_copy"))).run(watch)
        return start is not None

    def _has_left(self, uuid: str, destination: Mapping[str, Any]) -> bool:
        """What became of a guest whose migration did not end as it should. One that has begun to run at its destination
        is given what it still needs of this host, if that can be."""
        connection, libvirt = self.hypervisor.connection, self.hypervisor.libvirt
        now = post_copy.standing(connection, uuid)
        if now is Standing.AWAY:
            parameters, flags = self._orders(uuid, destination)
            post_copy.wait_for(connection, uuid, lambda dom: dom.migrateToURI3(
                destination["uri"], parameters, flags | libvirt.VIR_MIGRATE_POSTCOPY_RESUME), self.pace.patience)
        if now is Standing.OFF and destination.get("post_copy"):
            concurrency.sleep(HEARD)
            return (self.hypervisor.directory(uuid) / LEFT).exists()
        return now in (Standing.AWAY, Standing.GONE)

    def note_left(self, uuid: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.hypervisor.directory(uuid) / LEFT).touch()

    def call_off(self, uuid: str) -> None:
        connection = self.hypervisor.connection
        if post_copy.standing(connection, uuid) is Standing.HERE:
            migration_job.call_off(connection, uuid)
        if post_copy.standing(connection, uuid) is not Standing.HERE:
            raise errors.NotFound(f"Guest {uuid} does not run on this host any more.")
        self._go_on(uuid)
        for name in (BEGUN, LEFT, PROBE):
            (self.hypervisor.directory(uuid) / name).unlink(missing_ok=True)

    def see_off(self, uuid: str, name: str, destination: Mapping[str, Any]) -> None:
        if destination.get("shared"):
            if post_copy.standing(self.hypervisor.connection, uuid) is Standing.AWAY:
                self._stop_hard(uuid)
            self._forget(uuid)
        else:
            self._destroy(uuid, name, files.remove_tree_soon)

    def _forget(self, uuid: str) -> None:
        """Without touching its files, which another host has too."""
        self.hypervisor.planner.release(uuid)
        try:
            self._on_domain(uuid, lambda dom: None if dom.isActive() else self._undefine(dom))
        except errors.NotFound:
            LOG.debug("guest %s has no domain here any more", uuid)

    def _go_on(self, uuid: str) -> None:
        """A guest that a failed migration has left standing still goes on."""
        libvirt = self.hypervisor.libvirt
        frozen = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION]

        def resume(dom: Any) -> None:
            if dom.state() == frozen:
                dom.resume()

        self._on_domain(uuid, resume)

    def _orders(self, uuid: str, destination: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """The parameters and flags for libvirt."""
        libvirt, o = self.hypervisor.libvirt, self._options
        flags = (libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
                 | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE)
        parameters: dict[str, Any] = {libvirt.VIR_MIGRATE_PARAM_DEST_XML: destination["xml"],
                                      libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: destination["xml"]}
        if o.live_migration_tunnelled:
            flags |= libvirt.VIR_MIGRATE_TUNNELLED
        else:
            parameters[libvirt.VIR_MIGRATE_PARAM_URI] = destination["data_uri"]
        if o.live_migration_with_native_tls:
            flags |= libvirt.VIR_MIGRATE_TLS
            if destination.get("address"):  # what is sent over several connections has no host's name by itself
                parameters[libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION] = destination["address"]
        if o.live_migration_parallel_connections > 1:
            flags |= libvirt.VIR_MIGRATE_PARALLEL
            parameters[libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS] = o.live_migration_parallel_connections
        if o.live_migration_bandwidth:
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = o.live_migration_bandwidth
        if o.live_migration_permit_auto_converge:
            flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
        if destination.get("post_copy"):
            flags |= libvirt.VIR_MIGRATE_POSTCOPY
        if destination["shared"]:
            flags |= libvirt.VIR_MIGRATE_UNSAFE  # libvirt knows few shared file systems; the hosts have tried this one
        elif destination["copied"]:
            flags |= self._copy_flags(uuid, destination)
            parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(destination["copied"])
            if not o.live_migration_tunnelled and destination.get("address"):
                parameters[libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS] = destination["address"]
        return parameters, flags

    def _copy_flags(self, uuid: str, destination: Mapping[str, Any]) -> int:
        """Only what lies over the base where both hosts have that; all of it when a former attempt may have left
        something at the destination."""
        if self._options.live_migration_tunnelled:
            raise errors.HostFailure("Disks cannot be copied by a tunnelled migration.", retry=False)
        libvirt = self.hypervisor.libvirt
        begun = self.hypervisor.directory(uuid) / BEGUN
        again = begun.exists()
        begun.touch()
        whole = again or not destination["over_base"]
        return int(libvirt.VIR_MIGRATE_NON_SHARED_DISK if whole else libvirt.VIR_MIGRATE_NON_SHARED_INC)

    # -- destination ---------------------------------------------------------------------------------------------------

    def prepare_arrival(self, guest: GuestSpec, source: Mapping[str, Any], wishes: Wishes) -> Mapping[str, Any]:
        self._check_machine(source)
        there = [SourceDisk.of(disk) for disk in source["disks"]]
        shared = self._is_shared(guest.uuid, str(source["probe"]))
        if shared and wishes.block_migration:
            raise errors.HostFailure("The hosts share the guest's disks; no block migration is possible.", retry=False)
        if not shared and wishes.block_migration is False:
            raise errors.HostFailure("The hosts do not share the guest's disks; a block migration is needed.")
        if shared:
            self.hypervisor.claim(guest)
            here = self.hypervisor.layout(guest)
        else:
            self._check_room(there, over_commit=wishes.disk_over_commit)
            directory = self.hypervisor.directory(guest.uuid)
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            (directory / COPY).touch()
            here = list(self._make_files(guest, no_progress))
        by_device = {disk.device: disk for disk in here}
        copied = [disk for disk in there if disk.copied and disk.device in by_device and not shared]
        over_base = [_matches(disk, by_device[disk.device]) for disk in copied]
        own = self.hypervisor.connection.call(self.hypervisor.document, guest, guest.name, here)
        xml = arrival.rewrite(source["xml"], own, self.hypervisor.directory(guest.uuid), here,
                              self.hypervisor.settings.vnc_listen)
        address = self._options.live_migration_inbound_addr or compute_conf.host_ip(self.hypervisor.conf)
        uri = self._options.live_migration_uri or f"qemu+{self._options.live_migration_scheme}://%s/system"
        return {"xml": xml, "shared": shared, "copied": [disk.device for disk in copied],
                "over_base": all(over_base), "uri": uri.replace("%s", address), "data_uri": f"tcp://{address}",
                "address": address,
                "post_copy": bool(source.get("post_copy")) and self._options.live_migration_permit_post_copy,
                "sizes": [guest.memory_mb << 20, *(disk.used for disk in copied)]}

    def clear_arrival(self, uuid: str, name: str) -> None:
        if self.arrived(uuid):
            raise errors.HostFailure(f"Guest {uuid} runs on this host.")
        directory = self.hypervisor.directory(uuid)
        if (directory / COPY).exists() or not directory.exists():
            self.destroy(uuid, name)
        else:  # the source's own files, on storage that both see
            self._forget(uuid)

    def arrived(self, uuid: str) -> bool:
        """While it is on its way, libvirt has a guest here that stands still and is not defined."""
        libvirt = self.hypervisor.libvirt
        coming = (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)

        def look(dom: Any) -> bool:
            state, reason = dom.state()
            return bool(dom.isActive()) and not (state == libvirt.VIR_DOMAIN_PAUSED and reason in coming)

        try:
            return bool(self._on_domain(uuid, look))
        except errors.NotFound:
            return False

    def welcome(self, guest: GuestSpec) -> bool:
        """QEMU itself announces the guest's addresses when it goes on."""
        libvirt = self.hypervisor.libvirt
        try:
            coming, broken = self._on_domain(
                guest.uuid, lambda dom: (post_copy.comes_in(libvirt, dom), post_copy.broken(libvirt, dom)))
            if coming:
                raise errors.Unavailable(f"Guest {guest.uuid} runs, and its memory is still on its way.")
            if broken:
                self._stop_hard(guest.uuid)
                self._on_domain(guest.uuid, self._undefine)  # so that a repeated welcome finds the same
            whole = not broken
        except errors.NotFound:
            whole = False
        for name in (PROBE, BEGUN, LEFT, COPY):
            (self.hypervisor.directory(guest.uuid) / name).unlink(missing_ok=True)
        self.hypervisor.ownership.take(self.hypervisor.directory(guest.uuid))
        return whole

    @property
    def _options(self) -> Any:
        return self.hypervisor.conf.libvirt

    def _check_machine(self, source: Mapping[str, Any]) -> None:
        host, settings = self.hypervisor.host, self.hypervisor.settings
        if source.get("driver") != "libvirt":
            raise errors.HostFailure(f"A guest of the {source.get('driver')} driver cannot run here.")
        if (source["virt_type"], source["arch"]) != (settings.virt_type, host.arch):
            raise errors.HostFailure(f"A guest of type {source['virt_type']} on {source['arch']} cannot run on "
                                     f"{settings.virt_type} on {host.arch}.")
        if source["version"] > host.version:
            raise errors.HostFailure(f"QEMU {host.version} here is older than {source['version']} at the source.")
        wanted = arrival.processor(source["xml"])
        if wanted is not None and not self.hypervisor.connection.call(self._can_run, wanted, source["xml"]):
            raise errors.HostFailure("The processor of this host cannot do what the guest needs.")

    def _can_run(self, conn: Any, cpu: str, xml: str) -> bool:
        """In a blocking call. Emulated processors are the same wherever QEMU is not older."""
        libvirt, settings = self.hypervisor.libvirt, self.hypervisor.settings
        if settings.virt_type != "kvm":
            return True
        return bool(conn.compareHypervisorCPU(None, settings.arch, None, settings.virt_type, cpu, 0)
                    != libvirt.VIR_CPU_COMPARE_INCOMPATIBLE)

    def _is_shared(self, uuid: str, probe: str) -> bool:
        try:
            return (self.hypervisor.directory(uuid) / PROBE).read_text() == probe
        except OSError:
            return False

    def _check_room(self, there: list[SourceDisk], *, over_commit: bool) -> None:
        """Room for what the disks hold now or, if they may not be promised more than there is, may come to hold."""
        needed = sum(disk.used if over_commit else disk.size for disk in there if disk.copied)
        free = shutil.disk_usage(self.hypervisor.instances).free
        if needed > free:
            raise errors.HostFailure(f"The guest's disks need {needed >> 20} MiB; this host has {free >> 20} MiB free.")


def _measured(disk: SourceDisk) -> SourceDisk:
    found = images.described(disk.path, disk.format)
    backing = pathlib.PurePath(found.backing_file).name if found.backing_file else None
    return dataclasses.replace(disk, size=found.virtual_size, used=found.disk_size, backing=backing)


def _matches(there: SourceDisk, here: DiskFile) -> bool:
    """Have the disk that is written to here as large as that at the source; whether both lie over the same base."""
    found = images.described(here.path, here.format)
    if found.virtual_size != there.size:
        if here.kind != "file":
            raise errors.HostFailure(f"Disk {there.device} has {found.virtual_size} bytes here and {there.size} there.")
        images.resize(here.path, here.format, there.size)
    backing = pathlib.PurePath(found.backing_file).name if found.backing_file else None
    return backing is not None and backing == there.backing
