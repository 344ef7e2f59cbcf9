# SPDX-License-Identifier: Apache-2.0
"""The values that pass between nova-compute and a driver: plain frozen data, no behaviour of a hypervisor."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson


class PowerState(enum.IntEnum):
    """Power states by the numbers that the API shows."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


class EventKind(enum.StrEnum):
    """What a hypervisor may tell about a guest without being asked."""

    STARTED = "started"
    STOPPED = "stopped"
    PAUSED = "paused"
    RESUMED = "resumed"
    SUSPENDED = "suspended"
    CRASHED = "crashed"


#: Called by long operations with what is being done and how far it is, in percent.
Progress = Callable[[str, int], None]


def no_progress(what: str, percent: int) -> None:
    """For callers that do not care how far an operation is."""


@dataclasses.dataclass(frozen=True, slots=True)
class LifecycleEvent:
    uuid: str
    kind: EventKind
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class ImageSource:
    """An image as a build carries it: where its bytes are (a signed URL) and what they must be."""

    id: str
    url: str
    size: int | None = None
    disk_format: str = "qcow2"
    hash_algo: str | None = "sha512"
    hash_value: str | None = None
    properties: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    min_disk: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Nic:
    """One network card. ``device`` is the tap on the host; ``bridge`` what it is connected to, None for nothing."""

    id: str
    address: str
    device: str
    bridge: str | None = None
    index: int = 0
    mtu: int | None = None
    model: str = "virtio"
    ips: tuple[str, ...] = ()
    network: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    vnic_type: str = "normal"
    physical_network: str | None = None

    @classmethod
    def from_vif(cls, vif: Mapping[str, Any]) -> Nic:
        """The card described by one entry of a server's network info."""
        network = vif.get("network") or {}
        return cls(
            id=vif["id"],
            address=vif["address"],
            device=vif.get("device") or "tap" + vif["id"][:11],
            bridge=network.get("bridge"),
            index=int(vif.get("index") or 0),
            mtu=network.get("mtu"),
            model=vif.get("model") or "virtio",
            ips=tuple(ip["address"] for ip in vif.get("ips") or ()),
            network=network,
            vnic_type=vif.get("vnic_type") or "normal",
            physical_network=network.get("physical_network"),
        )


#: What an ephemeral disk can be formatted with, and what a disk can be plugged into.
FILE_SYSTEMS = ("ext2", "ext3", "ext4", "ntfs", "vfat", "xfs")
DISK_BUSES = ("ide", "sata", "scsi", "usb", "virtio")


@dataclasses.dataclass(frozen=True, slots=True)
class EphemeralDisk:
    """``format`` and ``bus``: None where the host decides."""

    gb: int
    format: str | None = None
    bus: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GuestSpec:
    """Everything a driver may know of a server that it shall run. ``name`` is the name on the hypervisor."""

    uuid: str
    name: str
    display_name: str
    vcpus: int
    memory_mb: int
    root_gb: int
    image: ImageSource | None = None
    nics: tuple[Nic, ...] = ()
    ephemeral_gb: int = 0
    """What the flavor gives: one disk, unless ``ephemerals`` says how it is divided."""
    ephemerals: tuple[EphemeralDisk, ...] = ()
    swap_mb: int = 0
    root_bus: str | None = None
    swap_bus: str | None = None
    project_id: str = ""
    user_id: str = ""
    user_data: str | None = None
    key_data: str | None = None
    admin_pass: str | None = dataclasses.field(default=None, repr=False)
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    flavor: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    image_properties: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    boot_devices: tuple[str, ...] = ("hd",)
    config_drive: bool = False
    files: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    """Path in the guest → content in base64."""
    hostname: str = ""
    key_name: str | None = None
    launch_index: int = 0
    availability_zone: str = ""
    security_groups: tuple[str, ...] = ()

    @property
    def ephemeral_disks(self) -> tuple[EphemeralDisk, ...]:
        return self.ephemerals or ((EphemeralDisk(self.ephemeral_gb),) if self.ephemeral_gb else ())

    @property
    def disk_gb(self) -> int:
        """What this guest takes of the host's disk: root, ephemeral, and swap rounded up."""
        return self.root_gb + sum(disk.gb for disk in self.ephemeral_disks) + -(-self.swap_mb // 1024)


@dataclasses.dataclass(frozen=True, slots=True)
class GuestInfo:
    uuid: str
    name: str
    power_state: PowerState
    max_memory_kb: int
    memory_kb: int
    vcpus: int
    cpu_time_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class ConsoleAddress:
    """Where a graphical console listens, as seen from this host."""

    kind: str
    host: str
    port: int


#: The fields of a host's inventory that move with its guests.
USAGE = frozenset({"vcpus_used", "memory_mb_used", "local_gb_used", "running_guests"})


@dataclasses.dataclass(frozen=True, slots=True)
class HostInventory:
    """What a host has, in the shape of a compute node and of its resource provider."""

    hypervisor_hostname: str
    hypervisor_type: str
    hypervisor_version: int
    vcpus: int
    memory_mb: int
    local_gb: int
    vcpus_used: int
    memory_mb_used: int
    local_gb_used: int
    cpu_info: Mapping[str, Any]
    traits: tuple[str, ...]
    inventory: Mapping[str, Mapping[str, Any]]
    supported_instances: tuple[tuple[str, str, str], ...]
    host_ip: str
    running_guests: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, in a fixed order of keys."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def digest(self, abilities: Sequence[str] = ()) -> str:
        """Changes when the host does, or what its driver can do, not when its guests do: whether a full report is
        due."""
        lasting = {k: v for k, v in self.as_dict().items() if k not in USAGE} | {"abilities": list(abilities)}
        return hashlib.sha256(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS)).hexdigest()


def stock(total: int, reserved: int, ratio: float, *, max_unit: int | None = None) -> dict[str, Any]:
    """One resource class of an inventory, as placement wants it; ``reserved`` never exceeds ``total``."""
    return {
        "total": total,
        "reserved": min(reserved, total),
        "min_unit": 1,
        "max_unit": total if max_unit is None else max_unit,
        "step_size": 1,
        "allocation_ratio": ratio,
    }
