# SPDX-License-Identifier: Apache-2.0
"""What is asked of the scheduler, as one immutable value that survives JSON. It holds no host states."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova.placement.resources import resources_of

_TRAIT = "trait:"


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """The server group of the request. ``hosts``: how many other members each host holds."""

    uuid: str
    policy: str
    rules: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    members: tuple[str, ...] = ()
    hosts: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class RequestSpec:
    """One server to be placed (``num`` of the same kind, when several are asked for in one request).

    ``force_host`` and ``force_node`` take that host whatever most filters say; ``requested_destination`` ({"host",
    "node"}) restricts the choice to it with all filters. ``rebuild``: the server is there, only filters that
    look at its image are asked. ``located`` tells the hosts of the servers that hints name.
    """

    instance_uuid: str
    project_id: str = ""
    user_id: str = ""
    flavor: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resources: Mapping[str, int] = dataclasses.field(default_factory=dict)
    image_properties: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    availability_zone: str | None = None
    force_host: str | None = None
    force_node: str | None = None
    requested_destination: Mapping[str, str] | None = None
    scheduler_hints: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    group: Group | None = None
    num: int = 1
    ignore_hosts: tuple[str, ...] = ()
    only_cell: str | None = None
    rebuild: bool = False
    located: Mapping[str, str] = dataclasses.field(default_factory=dict)
    required_traits: frozenset[str] = frozenset()
    forbidden_traits: frozenset[str] = frozenset()

    @property
    def forced(self) -> bool:
        return self.force_host is not None or self.force_node is not None

    def hint_uuids(self, name: str) -> tuple[str, ...]:
        """The servers that a hint names; clients send one or a list."""
        value = self.scheduler_hints.get(name)
        if not value:
            return ()
        return (value,) if isinstance(value, str) else tuple(value)

    def named_servers(self) -> set[str]:
        """Every server whose host matters to this request."""
        named = {uuid for hint in ("same_host", "different_host") for uuid in self.hint_uuids(hint)}
        return named | set(self.group.members if self.group else ()) - {self.instance_uuid}

    def at(self, hosts_by_server: Mapping[str, str]) -> RequestSpec:
        """A copy that knows the hosts of :meth:`named_servers`."""
        group = self.group
        if group is not None:
            counts: dict[str, int] = {}
            for member in group.members:
                if member != self.instance_uuid and (host := hosts_by_server.get(member)):
                    counts[host] = counts.get(host, 0) + 1
            group = dataclasses.replace(group, hosts=counts)
        hinted = {*self.hint_uuids("same_host"), *self.hint_uuids("different_host")}
        located = {uuid: host for uuid, host in hosts_by_server.items() if uuid in hinted}
        return dataclasses.replace(self, group=group, located=located)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; :meth:`from_dict` gives an equal value."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("required_traits", "forbidden_traits"):
            data[name] = sorted(data[name])
        data["ignore_hosts"] = list(self.ignore_hosts)
        if self.group is not None:
            data["group"] = {f.name: getattr(self.group, f.name) for f in dataclasses.fields(self.group)}
            data["group"]["members"] = list(self.group.members)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RequestSpec:
        """From JSON data; unknown keys are those of a newer version and are left out.

        Resources and traits that are absent are worked out from the flavor and the image.
        """
        known = {f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data}
        known["ignore_hosts"] = tuple(known.get("ignore_hosts") or ())
        if known.get("group"):
            group = {f.name: known["group"][f.name] for f in dataclasses.fields(Group) if f.name in known["group"]}
            known["group"] = Group(**(group | {"members": tuple(group.get("members") or ())}))
        flavor, image = known.get("flavor") or {}, known.get("image_properties") or {}
        if not known.get("resources"):
            known["resources"] = resources_of(flavor, image_properties=image)
        required, forbidden = traits_of(flavor, image)
        known["required_traits"] = frozenset(known.get("required_traits") or required)
        known["forbidden_traits"] = frozenset(known.get("forbidden_traits") or forbidden)
        return cls(**known)


def traits_of(flavor: Mapping[str, Any], image_properties: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Required and forbidden traits: ``trait:NAME`` = required or forbidden in the flavor, required in the image."""
    required: set[str] = set()
    forbidden: set[str] = set()
    for source in (flavor.get("extra_specs") or {}, image_properties):
        for key, value in source.items():
            if key.startswith(_TRAIT):
                (forbidden if value == "forbidden" else required).add(key[len(_TRAIT):])
    return required, forbidden
