# SPDX-License-Identifier: Apache-2.0
"""Devices that are passed through to guests: which of a host's may be, which a guest asks for, which it gets."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from nova import errors
from nova.virt.hardware.wishes import Wishes, number

PCI, PF, VF = "type-PCI", "type-PF", "type-VF"
_ALIAS_KEYS = frozenset({"name", "vendor_id", "product_id", "device_type", "numa_policy", "capability_type"})
_SPEC_KEYS = frozenset({"vendor_id", "product_id", "address", "devname"})
_TAGS = frozenset({"physical_network", "trusted", "managed", "remote_managed"})
POLICIES = ("required", "preferred", "legacy", "socket")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{4}|\*")


@dataclasses.dataclass(frozen=True, slots=True)
class Device:
    """``parent`` is the address of the physical function that a virtual one belongs to."""

    address: str
    vendor_id: str
    product_id: str
    kind: str = PCI
    node: int | None = None
    parent: str | None = None
    netdev: str | None = None
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Alias:
    """``wanted`` are properties of which a device must have one whole set."""

    name: str
    wanted: tuple[Mapping[str, str], ...]
    policy: str = "legacy"


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceRequest:
    """So many devices of a kind. ``owner`` is the port that it is for, or the alias."""

    owner: str
    count: int
    wanted: tuple[Mapping[str, str], ...]
    policy: str = "legacy"


def device_spec(texts: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    """What [pci] device_spec allows; each option is one JSON object or a list of them. Raises ConfigError."""
    found = []
    for entry in _objects("device_spec", texts):
        unknown = entry.keys() - _SPEC_KEYS - _TAGS
        if unknown:
            raise errors.ConfigError(f"pci.device_spec: {', '.join(sorted(unknown))} is not known; there are "
                                     f"{', '.join(sorted(_SPEC_KEYS | _TAGS))}.")
        if "address" in entry and "devname" in entry:
            raise errors.ConfigError("pci.device_spec: give address or devname, not both.")
        for key in ("vendor_id", "product_id"):
            if not _HEX.fullmatch(str(entry.get(key, "*"))):
                raise errors.ConfigError(f"pci.device_spec: {key} = {entry[key]} is not four hexadecimal digits.")
        found.append(entry)
    return tuple(found)


def aliases(texts: Iterable[str]) -> dict[str, Alias]:
    """What [pci] alias names; one name may stand for several kinds. Raises ConfigError."""
    found: dict[str, Alias] = {}
    for entry in _objects("alias", texts):
        unknown = entry.keys() - _ALIAS_KEYS
        if unknown or not entry.get("name"):
            raise errors.ConfigError(f"pci.alias needs a name, and knows {', '.join(sorted(_ALIAS_KEYS))}: "
                                     f"{orjson.dumps(entry).decode()}.")
        policy = entry.get("numa_policy", "legacy")
        if policy not in POLICIES or entry.get("device_type", PCI) not in (PCI, PF, VF):
            raise errors.ConfigError(f"pci.alias {entry['name']}: numa_policy is one of {', '.join(POLICIES)}, "
                                     f"device_type of {PCI}, {PF}, {VF}.")
        wanted: dict[str, str] = {k: str(entry[k]).lower().removeprefix("0x")
                                  for k in ("vendor_id", "product_id") if k in entry}
        if "device_type" in entry:
            wanted["kind"] = entry["device_type"]
        before = found.get(entry["name"])
        if before is not None and before.policy != policy:
            raise errors.ConfigError(f"pci.alias {entry['name']} is given with two NUMA policies.")
        found[entry["name"]] = Alias(entry["name"], (*(before.wanted if before else ()), wanted), policy)
    return found


def _objects(option: str, texts: Iterable[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for text in texts:
        try:
            told = orjson.loads(text)
        except ValueError as e:
            raise errors.ConfigError(f"pci.{option} = {text} is not JSON: {e}.") from e
        entries = told if isinstance(told, list) else [told]
        if not all(isinstance(entry, dict) for entry in entries):
            raise errors.ConfigError(f"pci.{option} = {text} is not an object, such as {{\"vendor_id\": \"8086\"}}.")
        found.extend(entries)
    return found


def allowed(devices: Iterable[Device], spec: Sequence[Mapping[str, Any]]) -> tuple[Device, ...]:
    """The devices that the first matching entry lets through, with its tags."""
    found = []
    everything = {d.address: d for d in devices}
    for device in everything.values():
        parent = everything.get(device.parent or "")
        entry = next((e for e in spec if _matches(device, parent, e)), None)
        if entry is not None:
            tags = {k: str(entry[k]).lower() if isinstance(entry[k], bool) else str(entry[k])
                    for k in _TAGS & entry.keys()}
            found.append(dataclasses.replace(device, tags=tags))
    return tuple(sorted(found, key=lambda d: d.address))


def _matches(device: Device, parent: Device | None, entry: Mapping[str, Any]) -> bool:
    """An address or name of a physical function stands for its virtual ones too."""
    for key, have in (("vendor_id", device.vendor_id), ("product_id", device.product_id)):
        want = str(entry.get(key, "*")).lower().removeprefix("0x")
        if want not in ("*", have):
            return False
    if "devname" in entry:
        return entry["devname"] in {device.netdev, parent.netdev if parent else None} - {None}
    if "address" in entry:
        return any(_address_matches(d.address, entry["address"]) for d in (device, parent) if d is not None)
    return True


def _address_matches(address: str, pattern: Any) -> bool:
    domain, bus, slot, function = re.split(r"[:.]", address)
    if isinstance(pattern, Mapping):
        parts = {"domain": domain, "bus": bus, "slot": slot, "function": function}
        return all(re.fullmatch(str(pattern.get(k, ".*")), v) for k, v in parts.items())
    wanted = re.split(r"[:.]", pattern if pattern.count(":") == 2 else f"*:{pattern}")
    wanted += ["*"] * (4 - len(wanted))
    return all(fnmatch.fnmatchcase(have, want) for have, want in
               zip((domain, bus, slot, function), wanted, strict=False))


def requests(asked: Wishes, known: Mapping[str, Alias],
             ports: Iterable[tuple[str, str]] = ()) -> tuple[DeviceRequest, ...]:
    """What the flavor's aliases and the ports of kind ``direct`` (id, physical network) ask for."""
    policy = asked.word("pci_affinity")
    found = []
    for part in (asked.text("pci_alias") or "").split(","):
        if not part.strip():
            continue
        name, _, count = (p.strip() for p in part.partition(":"))
        if name not in known:
            raise errors.Invalid(f"pci_passthrough:alias: there is no alias {name}.")
        alias = known[name]
        found.append(DeviceRequest(name, number("pci_passthrough:alias", count or "1"), alias.wanted,
                                   policy or alias.policy))
    found += [DeviceRequest(port, 1, ({"kind": VF, "physical_network": network},), policy or "legacy")
              for port, network in ports]
    return tuple(found)


def pools(devices: Iterable[Device], held: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """How many free devices there are of each kind, in the shape of a compute node's pools."""
    counted: dict[tuple[Any, ...], dict[str, Any]] = {}
    for device in free(devices, held):
        key = (device.vendor_id, device.product_id, device.kind, device.node, tuple(sorted(device.tags.items())))
        pool = counted.setdefault(key, {
            "vendor_id": device.vendor_id, "product_id": device.product_id, "numa_node": device.node,
            "tags": {"dev_type": device.kind, **device.tags}, "count": 0})
        pool["count"] += 1
    return list(counted.values())


def free(devices: Iterable[Device], held: frozenset[str]) -> list[Device]:
    """Neither held, nor a physical function with a virtual one held, nor a virtual one whose physical one is."""
    every = list(devices)
    blocked = held | {d.parent for d in every if d.address in held and d.parent}
    return [d for d in every if d.address not in blocked and (d.parent or "") not in held]


def choose(wanted: Sequence[DeviceRequest], devices: Sequence[Device], held: frozenset[str],
           nodes: frozenset[int], sockets: frozenset[int] = frozenset()) -> dict[str, list[Device]] | str:
    """Devices by owner, or the reason why they cannot be had.

    ``nodes`` are the host's nodes that the guest lies on (none for a guest without placement), ``sockets`` all nodes
    of the sockets that these belong to.
    """
    found: dict[str, list[Device]] = {}
    taken = set(held)
    for request in wanted:
        for _ in range(request.count):
            open_ = [d for d in free(devices, frozenset(taken)) if any(_is(d, w) for w in request.wanted)]
            near = [d for d in open_ if _near(d, request.policy, nodes, sockets)]
            if not near:
                what = "near the guest's memory " if open_ else ""
                return f"no device {what}is free for {request.owner} ({request.policy} affinity)"
            chosen = min(near, key=lambda d: (_distance(d, nodes), d.kind == PF, d.address))
            taken.add(chosen.address)
            found.setdefault(request.owner, []).append(chosen)
    return found


def _is(device: Device, wanted: Mapping[str, str]) -> bool:
    have = {"vendor_id": device.vendor_id, "product_id": device.product_id, "kind": device.kind, **device.tags}
    if "kind" not in wanted and device.kind == PF:
        return False
    return all(have.get(k) == v for k, v in wanted.items())


def _near(device: Device, policy: str, nodes: frozenset[int], sockets: frozenset[int]) -> bool:
    if policy == "preferred" or not nodes:
        return True
    if device.node is None:
        return policy == "legacy"
    return device.node in (nodes | sockets if policy == "socket" else nodes)


def _distance(device: Device, nodes: frozenset[int]) -> int:
    return 0 if not nodes or device.node in nodes else 1
