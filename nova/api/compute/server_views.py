# SPDX-License-Identifier: Apache-2.0
"""A server on the wire, at any microversion. Decisions that hold for a whole answer are taken once, not per row."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nova import states
from nova.web import timestamps
from nova.web.request import Request

Columns = Mapping[str, Sequence[Any]]
_FAULT = frozenset({"ERROR", "DELETED"})
_PROGRESS = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})

_COLUMNS = (
    "uuid", "project_id", "user_id", "display_name", "name", "image_ref", "key_name", "host", "node",
    "availability_zone", "vm_state", "task_state", "power_state", "progress", "flavor", "metadata", "network_info",
    "security_groups", "config_drive", "access_ip_v4", "access_ip_v6", "auto_disk_config", "created_at", "updated_at",
    "launched_at", "terminated_at")
_COLUMNS_SINCE = (
    ((2, 3), ("hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id", "root_device_name",
              "user_data")),
    ((2, 9), ("locked_by",)), ((2, 19), ("display_description",)), ((2, 26), ("tags",)), ((2, 63), ("trusted_certs",)),
    ((2, 73), ("locked_reason",)), ((2, 96), ("pinned_availability_zone",)), ((2, 98), ("image_properties",)),
    ((2, 100), ("scheduler_hints",)))


def columns(version: tuple[int, int]) -> tuple[str, ...]:
    """What a page of detailed answers needs of the table; the rest is left in the database."""
    return sum((more for since, more in _COLUMNS_SINCE if version >= since), _COLUMNS)


_EXTENDED = "os_compute_api:os-extended-server-attributes"
_STATUS = "os_compute_api:servers:show:host_status"
_STATUS_UNKNOWN = "os_compute_api:servers:show:host_status:unknown-only"
_SPECS = "os_compute_api:servers:show:flavor-extra-specs"


#: What is shown as it stands in the row: since when, by which name, of which column.
_COPIED = (((2, 1), "metadata", "metadata"), ((2, 1), "name", "display_name"), ((2, 1), "tenant_id", "project_id"),
           ((2, 1), "user_id", "user_id"))
_COPIED_ALL = (((2, 1), "key_name", "key_name"), ((2, 1), "OS-EXT-STS:task_state", "task_state"),
               ((2, 1), "OS-EXT-STS:vm_state", "vm_state"), ((2, 1), "OS-EXT-STS:power_state", "power_state"))
_COPIED_ADMIN = (((2, 1), "OS-EXT-SRV-ATTR:host", "host"), ((2, 1), "OS-EXT-SRV-ATTR:hypervisor_hostname", "node"),
                 *(((2, 3), f"OS-EXT-SRV-ATTR:{name}", name) for name in (
                     "hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id", "root_device_name",
                     "user_data")))
_COPIED_NEWER = (((2, 19), "description", "display_description"), ((2, 26), "tags", "tags"),
                 ((2, 63), "trusted_image_certificates", "trusted_certs"), ((2, 73), "locked_reason", "locked_reason"),
                 ((2, 90), "OS-EXT-SRV-ATTR:hostname", "hostname"),
                 ((2, 96), "pinned_availability_zone", "pinned_availability_zone"))


@functools.lru_cache(maxsize=16384)
def host_id(project_id: str, host: str | None) -> str:
    """What a project may know of a host: a name that means nothing elsewhere."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""


def basic(request: Request, row: Mapping[str, Any]) -> dict[str, Any]:
    """A server in a list without details."""
    return {"id": row["uuid"], "name": row["display_name"], "links": request.links("servers", row["uuid"])}


def addresses(vifs: Iterable[Mapping[str, Any]] | None) -> dict[str, list[dict[str, Any]]]:
    """Addresses by network label."""
    found: dict[str, list[dict[str, Any]]] = {}
    for vif in vifs or ():
        listed = found.setdefault(vif["network"]["label"], [])
        for ip in vif["ips"]:
            listed.append({"version": ip["version"], "addr": ip["address"],
                           "OS-EXT-IPS:type": ip.get("type", "fixed"), "OS-EXT-IPS-MAC:mac_addr": vif["address"]})
            listed += [{"version": ip["version"], "addr": floating, "OS-EXT-IPS:type": "floating",
                        "OS-EXT-IPS-MAC:mac_addr": vif["address"]} for floating in ip.get("floating_ips", ())]
    return found


def plain_addresses(row: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The same as the ``ips`` resource shows them: version and address only."""
    return {label: [{"version": ip["version"], "addr": ip["addr"]} for ip in ips]
            for label, ips in addresses(row["network_info"]).items()}


class ServerView:
    """Makes detailed views for one request, of rows that live as long as it does.

    ``single``: show, update and rebuild tell more than lists do. ``extended`` False leaves out what old microversions
    do not say after an update. ``host_status`` and ``zones`` map hosts.
    """

    def __init__(self, request: Request, *, host_status: Mapping[str, str], zones: Mapping[str, str],
                 default_zone: str, single: bool = False, extended: bool = True) -> None:
        version = request.version
        self._version = version
        self._single = single
        self._all = extended
        self._zones, self._default_zone = zones, default_zone
        self._host_status = host_status
        self._admin = extended and request.allowed(_EXTENDED)
        self._self_url, self._root_url = f"{request.base_url}/servers/", request.root_url
        self._flavor_specs = version >= (2, 47) and request.allowed(_SPECS)
        shown = version >= (2, 16) and (extended or version >= (2, 75))
        self._status_all = shown and request.allowed(_STATUS)
        self._status_unknown = shown and not self._status_all and request.allowed(_STATUS_UNKNOWN)
        self._see_details = request.context.is_admin
        self._copied = dict(self._copies())

    def _copies(self) -> Iterator[tuple[str, str]]:
        """Wire names and columns of what this request is shown as it stands in the row."""
        for wanted, names in ((True, _COPIED), (self._all, _COPIED_ALL), (self._admin, _COPIED_ADMIN),
                              (True, _COPIED_NEWER)):
            if wanted:
                yield from ((wire, column) for since, wire, column in names if self._version >= since)

    def one(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of ``instances`` with ``fault`` and ``volumes`` as :mod:`nova.store.servers` gives it."""
        return self.many({"fault": (None,), "volumes": ((),)} | {name: (value,) for name, value in row.items()})[0]

    def many(self, c: Columns) -> list[dict[str, Any]]:
        """The same of a page, column by column: of a thousand servers that is half the work."""
        if not c["uuid"]:
            return []
        statuses = list(map(states.status, c["vm_state"], c["task_state"]))
        wire: dict[str, Iterable[Any]] = {
            "accessIPv4": [ip or "" for ip in c["access_ip_v4"]], "accessIPv6": [ip or "" for ip in c["access_ip_v6"]],
            "addresses": map(addresses, c["network_info"]), "created": map(timestamps.iso, c["created_at"]),
            "flavor": self._flavors(c["flavor"]), "hostId": map(host_id, c["project_id"], c["host"]), "id": c["uuid"],
            "image": self._images(c), "links": map(self._links, c["uuid"]), "status": statuses,
            "updated": [timestamps.iso(at or made) for at, made in zip(c["updated_at"], c["created_at"], strict=True)],
            "OS-DCF:diskConfig": ["AUTO" if auto else "MANUAL" for auto in c["auto_disk_config"]]}
        wire |= {name: c[column] for name, column in self._copied.items()}
        if self._all:
            wire |= self._extended(c)
        if self._version >= (2, 9):
            wire |= self._newer(c)
        names = list(wire)
        items = [dict(zip(names, values, strict=True)) for values in zip(*wire.values(), strict=True)]
        self._add_what_some_have(items, statuses, c)
        return items

    def _extended(self, c: Columns) -> dict[str, Iterable[Any]]:
        zones, default = self._zones, self._default_zone
        found: dict[str, Iterable[Any]] = {
            "OS-EXT-AZ:availability_zone": [zones.get(host, default) if host else asked or ""
                                            for host, asked in zip(c["host"], c["availability_zone"], strict=True)],
            "config_drive": [drive or "" for drive in c["config_drive"]],
            "OS-SRV-USG:launched_at": map(timestamps.micro, c["launched_at"]),
            "OS-SRV-USG:terminated_at": map(timestamps.micro, c["terminated_at"]),
            "os-extended-volumes:volumes_attached": [[self._volume(v) for v in some or ()] for some in c["volumes"]]}
        if self._admin:
            found["OS-EXT-SRV-ATTR:instance_name"] = [name or "" for name in c["name"]]
        return found

    def _newer(self, c: Columns) -> dict[str, Iterable[Any]]:
        found: dict[str, Iterable[Any]] = {"locked": [who is not None for who in c["locked_by"]]}
        if self._status_all:
            found["host_status"] = [self._status_of(host) for host in c["host"]]
        if self._version >= (2, 71) and self._single:
            found["server_groups"] = [[group] if group else [] for group in c["server_group"]]
        if self._version >= (2, 100):
            found["scheduler_hints"] = [{k: v if isinstance(v, list) else [v] for k, v in hints.items()}
                                        if hints else {} for hints in c["scheduler_hints"]]
        return found

    def _status_of(self, host: str | None) -> str:
        return self._host_status.get(host, "UNKNOWN") if host else ""

    def _add_what_some_have(self, items: list[dict[str, Any]], statuses: Sequence[str], c: Columns) -> None:
        for item, status, progress, fault in zip(items, statuses, c["progress"], c["fault"], strict=True):
            if status in _PROGRESS:
                item["progress"] = progress or 0
            elif fault and status in _FAULT:
                item["fault"] = self._fault(fault)
        if self._all:
            for item, vifs, groups in zip(items, c["network_info"], c["security_groups"], strict=True):
                if vifs and groups:
                    item["security_groups"] = [{"name": name} for name in groups]
        if self._version >= (2, 9) and self._status_unknown:
            for item, host in zip(items, c["host"], strict=True):
                if self._status_of(host) == "UNKNOWN":
                    item["host_status"] = "UNKNOWN"

    def _links(self, uuid: str) -> list[dict[str, str]]:
        return [{"rel": "self", "href": self._self_url + uuid},
                {"rel": "bookmark", "href": f"{self._root_url}/servers/{uuid}"}]

    def _flavors(self, flavors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Servers of a page share their flavors, and so do answers."""
        made = {id(flavor): self._flavor(flavor) for flavor in {id(f): f for f in flavors}.values()}
        return [made[id(flavor)] for flavor in flavors]

    def _flavor(self, flavor: Mapping[str, Any]) -> dict[str, Any]:
        if self._version < (2, 47):
            flavorid = flavor["flavorid"]
            return {"id": flavorid, "links": [{"rel": "bookmark", "href": f"{self._root_url}/flavors/{flavorid}"}]}
        item = {"vcpus": flavor["vcpus"], "ram": flavor["memory_mb"], "disk": flavor["root_gb"],
                "ephemeral": flavor["ephemeral_gb"], "swap": flavor["swap"], "original_name": flavor["name"]}
        if self._flavor_specs:
            item["extra_specs"] = flavor.get("extra_specs") or {}
        return item

    def _images(self, c: Columns) -> list[Any]:
        if self._version < (2, 98):
            return [self._image(ref) for ref in c["image_ref"]]
        return [self._image(ref) | {"properties": properties or {}} if ref else ""
                for ref, properties in zip(c["image_ref"], c["image_properties"], strict=True)]

    def _image(self, ref: str | None) -> Any:
        if not ref:
            return ""
        return {"id": ref, "links": [{"rel": "bookmark", "href": f"{self._root_url}/images/{ref}"}]}

    def _fault(self, fault: Mapping[str, Any]) -> dict[str, Any]:
        item = {"code": fault["code"], "created": timestamps.iso(fault["created_at"]), "message": fault["message"]}
        if fault.get("details") and (self._see_details or fault["code"] != 500):
            item["details"] = fault["details"]
        return item

    def _volume(self, volume: Mapping[str, Any]) -> dict[str, Any]:
        item = {"id": volume["volume_id"]}
        if self._version >= (2, 3):
            item["delete_on_termination"] = bool(volume["delete_on_termination"])
        return item
