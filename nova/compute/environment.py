# SPDX-License-Identifier: Apache-2.0
"""What the steps on a host work with, and how a server becomes what a driver understands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from nova.objects.instance import Instance
from nova.objects.work import Work
from nova.virt.migration import Watch
from nova.virt.types import EphemeralDisk, GuestSpec, ImageSource, Nic


class Networking(Protocol):
    """The host's network service: here in the same process, or over the bus."""

    def plug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None: ...

    def unplug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None: ...

    def unplug_ahead(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        """Begin what :meth:`unplug` will be asked for soon, and do not wait. Whatever is asked for next of this server
        is done after it; whether it went well, that tells."""

    def pull(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        """These interfaces are gone; others of the server stay."""


Upload = Callable[[str, Path], None]


@dataclasses.dataclass(frozen=True)
class HostEnvironment:
    """``driver`` implements the interfaces of :mod:`nova.virt.interfaces`; ``work`` is the operation in hand.
    ``turn()`` waits for nothing: it raises Unavailable while too much of the kind is under way, and gives what watches
    the work. ``upload`` brings a file's bytes to a URL.
    """

    host: str
    driver: Any
    networking: Networking
    shutdown_timeout: float
    work: Work
    progress: Callable[[str, int], None]
    turn: Callable[[], AbstractContextManager[Watch]]
    upload: Upload

    @property
    def server(self) -> Instance:
        server: Instance = self.work.instance
        return server


def guest_of(work: Work) -> GuestSpec:
    """The guest that a driver shall run for this server."""
    server, image = work.instance, work.image
    flavor, secrets = server.flavor, work.secrets or {}
    asked = _Asked.of(server.block_devices or ())
    return GuestSpec(
        uuid=server.uuid, name=server.name or server.uuid, display_name=server.display_name, vcpus=server.vcpus,
        memory_mb=server.memory_mb, root_gb=server.root_gb, ephemeral_gb=server.ephemeral_gb,
        ephemerals=asked.ephemerals, swap_mb=swap_of(server, flavor), root_bus=asked.root.get("disk_bus"),
        swap_bus=asked.swap.get("disk_bus"), image=_source(image) if image else None,
        nics=tuple(Nic.from_vif(v) for v in server.network_info or []), project_id=server.project_id,
        user_id=server.user_id, user_data=server.user_data, key_data=server.key_data,
        admin_pass=secrets.get("admin_pass"), files=secrets.get("files") or {}, hostname=server.hostname or "",
        key_name=server.key_name,
        metadata=server.metadata or {}, flavor=flavor, extra_specs=flavor.get("extra_specs") or {},
        image_properties=server.image_properties or {}, config_drive=server.config_drive == "True",
        launch_index=server.launch_index or 0, availability_zone=server.availability_zone or "",
        security_groups=tuple(server.security_groups or ()))


def swap_of(server: Instance, flavor: Mapping[str, Any]) -> int:
    """MiB of swap space: what the flavor gives, or less where less was asked for."""
    given = int(flavor.get("swap") or 0)
    return min(_Asked.of(server.block_devices or ()).swap.get("volume_size") or given, given)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """The local disks that the create named: the root disk's device and the swap disk's, if they are there."""

    root: Mapping[str, Any]
    swap: Mapping[str, Any]
    ephemerals: tuple[EphemeralDisk, ...]

    @classmethod
    def of(cls, devices: Iterable[Mapping[str, Any]]) -> _Asked:
        root: Mapping[str, Any] = {}
        swap: Mapping[str, Any] = {}
        ephemerals = []
        for device in devices:
            if device["source_type"] == "image":
                root = device
            elif device["guest_format"] == "swap":
                swap = device
            else:
                ephemerals.append(EphemeralDisk(device["volume_size"], device["guest_format"], device["disk_bus"]))
        return cls(root, swap, tuple(ephemerals))


def _source(image: dict[str, Any]) -> ImageSource:
    return ImageSource(id=image["id"], url=image["url"], size=image.get("size"), disk_format=image["disk_format"],
                       hash_algo=image.get("hash_algo"), hash_value=image.get("hash_value"),
                       properties=image.get("properties") or {}, min_disk=image.get("min_disk") or 0)
