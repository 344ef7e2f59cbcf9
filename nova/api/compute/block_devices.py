# SPDX-License-Identifier: Apache-2.0
"""Block device mappings of a create, held against the rules that need no volume service. Types are the schemas'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors

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
        _check_order(new, bool(wanted.get("imageRef")))


def _check_device(device: Mapping[str, Any]) -> None:
    if device.get("no_device") is not None:
        return
    source, named = device.get("source_type"), device.get("uuid")
    goes_to = device.get("destination_type") or ("volume" if source in ("volume", "snapshot") else "local")
    if source is None:
        raise _invalid("Missing source type.")
    if source == "blank" and named:
        raise _invalid("A blank device has no uuid.")
    if source != "blank" and not named:
        raise _invalid("Missing device UUID.")
    if goes_to == "local" and (source in ("volume", "snapshot")
                               or (source == "image" and _boot_index(device) != 0)):
        raise _invalid(f"Mapping {source} to local is not supported.")
    if goes_to == "volume" and source in ("blank", "image") and not device.get("volume_size"):
        raise _invalid("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size" if source == "blank"
                       else "Images with destination_type 'volume' need to have a non-zero size specified")


def _check_names(devices: list[Mapping[str, Any]]) -> None:
    """No two devices with one name or one tag."""
    for key in ("device_name", "tag"):
        given = [str(device[key]).removeprefix("/dev/") for device in devices if device.get(key)]
        if len(given) > len(set(given)):
            raise _invalid(f"Two devices have the same {key}.")


def _check_order(devices: list[Mapping[str, Any]], from_image: bool) -> None:
    """Boot indexes count from 0 without a gap; an image that is named is the first, unless a device stands for it."""
    given = [index for device in devices if (index := _boot_index(device)) is not None and index >= 0]
    stands_for_it = any(d.get("source_type") == "image" and _boot_index(d) == 0 for d in devices)
    if from_image and not stands_for_it:
        given.append(0)
    if sorted(given) != list(range(len(given))) or not given:
        raise _invalid(_SEQUENCE)


def _boot_index(device: Mapping[str, Any]) -> int | None:
    index = device.get("boot_index")
    return None if index is None else int(index)


def _invalid(why: str) -> errors.Invalid:
    return errors.Invalid(f"Block Device Mapping is Invalid: {why}")
