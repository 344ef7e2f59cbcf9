# SPDX-License-Identifier: Apache-2.0
"""A server on the wire, at any microversion. Decisions that hold for a whole answer are taken once, not per row."""

from __future__ import annotations

import functools
import hashlib
import operator
from collections.abc import Iterator, Mapping
from typing import Any

from nova import states
from nova.web import timestamps
from nova.web.request import Request

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


def addresses(row: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Addresses by network label."""
    found: dict[str, list[dict[str, Any]]] = {}
    for vif in row["network_info"] or ():
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
            for label, ips in addresses(row).items()}


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
        copied = dict(self._copies())
        self._copied, self._copy = tuple(copied), operator.itemgetter(*copied.values())
        #: Many rows share a flavor and an image: by identity, with what keeps that from being another's.
        self._flavors: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._images: dict[tuple[str, int], tuple[Any, dict[str, Any]]] = {}

    def _copies(self) -> Iterator[tuple[str, str]]:
        """Wire names and columns of what this request is shown as it stands in the row."""
        for wanted, names in ((True, _COPIED), (self._all, _COPIED_ALL), (self._admin, _COPIED_ADMIN),
                              (True, _COPIED_NEWER)):
            if wanted:
                yield from ((wire, column) for since, wire, column in names if self._version >= since)

    def one(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of ``instances`` with ``fault`` and ``volumes`` as :mod:`nova.store.servers` gives it."""
        uuid, version = row["uuid"], self._version
        status = states.status(row["vm_state"], row["task_state"])
        item: dict[str, Any] = {
            "accessIPv4": row["access_ip_v4"] or "", "accessIPv6": row["access_ip_v6"] or "",
            "addresses": addresses(row), "created": timestamps.iso(row["created_at"]), "flavor": self._flavor(row),
            "hostId": host_id(row["project_id"], row["host"]), "id": uuid, "image": self._image(row),
            "links": [{"rel": "self", "href": self._self_url + uuid},
                      {"rel": "bookmark", "href": f"{self._root_url}/servers/{uuid}"}],
            "status": status, "updated": timestamps.iso(row["updated_at"] or row["created_at"]),
            "OS-DCF:diskConfig": "AUTO" if row["auto_disk_config"] else "MANUAL"}
        item.update(zip(self._copied, self._copy(row), strict=True))
        if status in _FAULT and row.get("fault"):
            item["fault"] = self._fault(row["fault"])
        if status in _PROGRESS:
            item["progress"] = row["progress"] or 0
        if self._all:
            self._add_extended(item, row)
        if version >= (2, 9):
            self._add_newer(item, row)
        return item

    def _add_extended(self, item: dict[str, Any], row: Mapping[str, Any]) -> None:
        host = row["host"]
        item["OS-EXT-AZ:availability_zone"] = (
            self._zones.get(host, self._default_zone) if host else row["availability_zone"] or "")
        item["config_drive"] = row["config_drive"] or ""
        item["OS-SRV-USG:launched_at"] = timestamps.micro(row["launched_at"])
        item["OS-SRV-USG:terminated_at"] = timestamps.micro(row["terminated_at"])
        if self._admin:
            item["OS-EXT-SRV-ATTR:instance_name"] = row["name"] or ""
        item["os-extended-volumes:volumes_attached"] = [self._volume(v) for v in row.get("volumes") or ()]
        if row["network_info"] and row["security_groups"]:
            item["security_groups"] = [{"name": name} for name in row["security_groups"]]

    def _add_newer(self, item: dict[str, Any], row: Mapping[str, Any]) -> None:
        version = self._version
        item["locked"] = row["locked_by"] is not None
        if self._status_all or self._status_unknown:
            word = self._host_status.get(row["host"], "UNKNOWN") if row["host"] else ""
            if self._status_all or word == "UNKNOWN":
                item["host_status"] = word
        if version >= (2, 71) and self._single:
            item["server_groups"] = [row["server_group"]] if row["server_group"] else []
        if version >= (2, 100):
            item["scheduler_hints"] = {k: v if isinstance(v, list) else [v]
                                       for k, v in (row["scheduler_hints"] or {}).items()}

    def _flavor(self, row: Mapping[str, Any]) -> dict[str, Any]:
        flavor = row["flavor"]
        known = self._flavors.get(id(flavor))
        if known is None:
            known = self._flavors[id(flavor)] = flavor, self._flavor_view(flavor)
        return known[1]

    def _flavor_view(self, flavor: Mapping[str, Any]) -> dict[str, Any]:
        if self._version < (2, 47):
            flavorid = flavor["flavorid"]
            return {"id": flavorid, "links": [{"rel": "bookmark", "href": f"{self._root_url}/flavors/{flavorid}"}]}
        item = {"vcpus": flavor["vcpus"], "ram": flavor["memory_mb"], "disk": flavor["root_gb"],
                "ephemeral": flavor["ephemeral_gb"], "swap": flavor["swap"], "original_name": flavor["name"]}
        if self._flavor_specs:
            item["extra_specs"] = flavor.get("extra_specs") or {}
        return item

    def _image(self, row: Mapping[str, Any]) -> Any:
        ref = row["image_ref"]
        if not ref:
            return ""
        properties = row["image_properties"] if self._version >= (2, 98) else None
        known = self._images.get((ref, id(properties)))
        if known is None:
            item = {"id": ref, "links": [{"rel": "bookmark", "href": f"{self._root_url}/images/{ref}"}]}
            if self._version >= (2, 98):
                item["properties"] = properties or {}
            known = self._images[ref, id(properties)] = properties, item
        return known[1]

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
