# SPDX-License-Identifier: Apache-2.0
"""Block device mappings of a create: held against the rules that need no volume service, and the local disks that they
ask for. Types are the schemas'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.numbers import to_int
from nova.virt.types import DISK_BUSES, FILE_SYSTEMS

_SWAP = "swap"
#: More than any machine type has room for beside the other devices.
_MOST = 20
#: Of a boot index as text; many more are no number to Python.
_DIGITS = 20
_SEQUENCE = "Boot sequence for the instance and image/block device mapping combination is not valid."


def check(wanted: Mapping[str, Any]) -> None:
    """Raise Invalid for mappings of two syntaxes, for devices that say too little, and for an impossible boot order."""
    old, new = wanted.get("block_device_mapping"), wanted.get("block_device_mapping_v2")
    if old and new:
        raise errors.Invalid("Using different block_device_mapping syntaxes is not allowed in the same request.")
    for device in old or ():
        if not (device.get("volume_id") or device.get("snapshot_id") or device.get("no_device") is not None
                or device.get("virtual_name")):
            raise _invalid("A device needs a volume_id, a snapshot_id, a virtual_name or no_device.")
        if device.get("volume_id") and device.get("snapshot_id"):
            raise _invalid("A device has a volume_id or a snapshot_id, not both.")
    for device in new or ():
        _check_device(device)
    _check_names([*(old or ()), *(new or ())])
    if new:
        _check_order(new)


def image_ref(wanted: Mapping[str, Any]) -> str:
    """The image to boot from. A mapping that puts it on the local disk repeats what ``imageRef`` names."""
    named = str(wanted.get("imageRef") or "")
    for device in wanted.get("block_device_mapping_v2") or ():
        if device.get("no_device") is not None or _goes_to(device) != "local":
            raise _invalid("this cloud has no volume service; devices can be the image to boot from, ephemeral disks "
                           "and swap space, on local disks.")
        if device["source_type"] == "image" and not named:
            raise _invalid("Mapping image to local is not supported.")
        if device["source_type"] == "image" and device["uuid"] != named:
            raise _invalid(_SEQUENCE)
    return named


def local_disks(wanted: Mapping[str, Any], flavor: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """The disks that are asked for, with their sizes (swap in MiB, others in GiB), as the table of block devices keeps
    them. Raises Invalid for more than the flavor has or ``most`` allows, -1 being no limit."""
    disks = [_local_disk(device, flavor) for device in wanted.get("block_device_mapping_v2") or ()]
    most = most if most >= 0 else _MOST
    if max(len(disks), 1) > most:
        raise _invalid(f"You specified more local devices than the limit allows, which is {most}.")
    swaps = [disk["volume_size"] for disk in disks if disk["guest_format"] == _SWAP]
    if len(swaps) > 1:
        raise _invalid("More than one swap drive requested.")
    if swaps and not 0 < swaps[0] <= flavor["swap"]:
        raise _invalid(f"Swap drive requested is larger than instance type allows, which is {flavor['swap']} MiB.")
    ephemerals = [d["volume_size"] for d in disks if d["source_type"] == "blank" and d["guest_format"] != _SWAP]
    if ephemerals and not 0 < sum(ephemerals) <= flavor["ephemeral_gb"]:
        raise _invalid("Ephemeral disks requested are larger than the instance type allows, which is "
                       f"{flavor['ephemeral_gb']} GiB.")
    return disks


def _local_disk(device: Mapping[str, Any], flavor: Mapping[str, Any]) -> dict[str, Any]:
    source, kind, bus = device["source_type"], device.get("guest_format") or None, device.get("disk_bus") or None
    if bus is not None and bus not in DISK_BUSES:
        raise _invalid(f"The provided disk bus {bus} is not valid: it is one of {', '.join(DISK_BUSES)}.")
    if (device.get("device_type") or "disk") != "disk":
        raise _invalid(f"A local device is a disk, no {device['device_type']}.")
    if device.get("volume_type"):
        raise _invalid("Specifying a volume_type with destination_type=local is not supported.")
    if source == "image":
        kind, size = None, flavor["root_gb"]
    else:
        if kind not in (None, _SWAP, *FILE_SYSTEMS):
            raise _invalid(f"{kind} is no format for a disk: it is swap or one of {', '.join(FILE_SYSTEMS)}.")
        size = flavor["swap" if kind == _SWAP else "ephemeral_gb"]
        if device.get("volume_size") is not None:
            size = to_int(device["volume_size"], "volume_size", 1)
    return {"source_type": source, "destination_type": "local", "guest_format": kind, "device_type": "disk",
            "disk_bus": bus, "volume_size": size, "boot_index": _boot_index(device), "tag": device.get("tag"),
            "delete_on_termination": s.is_true(device.get("delete_on_termination", True))}


def _check_device(device: Mapping[str, Any]) -> None:
    if device.get("no_device") is not None:
        return
    source, named, goes_to = device.get("source_type"), device.get("uuid"), _goes_to(device)
    if source is None:
        raise _invalid("Missing source type.")
    if source == "blank" and named:
        raise _invalid("A blank device has no uuid.")
    if source != "blank" and not named:
        raise _invalid("Missing device UUID.")
    if goes_to == "local" and (source in ("volume", "snapshot")
                               or (source == "image" and _boot_index(device) != 0)):
        raise _invalid(f"Mapping {source} to local is not supported.")
    if goes_to == "local" and source == "blank" and _boot_index(device) == 0:
        raise _invalid("A blank device cannot be booted from.")
    if goes_to == "volume" and source in ("blank", "image") and not device.get("volume_size"):
        raise _invalid("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size" if source == "blank"
                       else "Images with destination_type 'volume' need to have a non-zero size specified")


def _check_names(devices: list[Mapping[str, Any]]) -> None:
    """No two devices with one name or one tag."""
    for key in ("device_name", "tag"):
        given = [str(device[key]).removeprefix("/dev/") for device in devices if device.get(key)]
        if len(given) > len(set(given)):
            raise _invalid(f"Two devices have the same {key}.")


def _check_order(devices: list[Mapping[str, Any]]) -> None:
    """Boot indexes count from 0 without a gap. An image that is to be booted from is among the devices."""
    given = [index for device in devices if (index := _boot_index(device)) is not None and index >= 0]
    if sorted(given) != list(range(len(given))) or not given:
        raise _invalid(_SEQUENCE)


def _goes_to(device: Mapping[str, Any]) -> str:
    return str(device.get("destination_type")
               or ("volume" if device.get("source_type") in ("volume", "snapshot") else "local"))


def _boot_index(device: Mapping[str, Any]) -> int | None:
    """None and -1: it boots nothing."""
    index = device.get("boot_index")
    if isinstance(index, str) and len(index) > _DIGITS:
        raise _invalid(_SEQUENCE)
    return None if index is None else max(int(index), -1)


def _invalid(why: str) -> errors.Invalid:
    return errors.Invalid(f"Block Device Mapping is Invalid: {why}")
