# SPDX-License-Identifier: Apache-2.0
"""From the body of a create to a request with every reference resolved. Accepting it is done below."""

from __future__ import annotations

import base64
from typing import Any, Protocol

import sqlalchemy as sa
from oslo_config import cfg

from nova import errors
from nova.api.compute import block_devices, passwords
from nova.api.compute import schemas as s
from nova.api.compute.hosts import Hosts
from nova.api.compute.numbers import to_int
from nova.db.api import flavors, keypairs, server_groups
from nova.db.engine import Database
from nova.networks import security_groups as groups
from nova.operations import CreateRequest
from nova.quota import Quota
from nova.web.request import Request

_FORCED = "os_compute_api:servers:create:forced_host"
_DESTINATION = "compute:servers:create:requested_destination"
_ZERO_DISK = "os_compute_api:servers:create:zero_disk_flavor"
MAX_SERVERS = 1000


class Image(Protocol):
    """What a create must know of an image."""

    @property
    def id(self) -> str: ...

    @property
    def min_disk(self) -> int: ...

    @property
    def min_ram(self) -> int: ...

    @property
    def size(self) -> int | None: ...

    @property
    def properties(self) -> Any: ...


class ImageReferences(Protocol):
    """Where images are looked up; raises :class:`errors.Invalid` for one that cannot be used."""

    def reference(self, ctx: Any, image_id: str, /) -> Image: ...


class CreateReader:
    """Reads bodies of creates for :class:`nova.api.compute.servers.Servers`."""

    def __init__(self, database: Database, images: ImageReferences, hosts: Hosts, quota: Quota,
                 conf: cfg.ConfigOpts) -> None:
        self._database = database
        self._images = images
        self._hosts = hosts
        self._quota = quota
        self._conf = conf

    def read(self, request: Request) -> CreateRequest:
        """The request. Raises Invalid for what cannot be meant, Forbidden for what the caller may not."""
        body, wanted = request.body_json, request.body_json["server"]
        minimum, maximum = _counts(wanted)
        _refuse_unknown_machinery(wanted)
        _refuse_sharing(wanted.get("networks"), maximum)
        image = self._image(request, block_devices.image_ref(wanted))
        zone, forced_host, forced_node = self._zone(request, wanted.get("availability_zone"))
        hints = body.get("os:scheduler_hints") or body.get("OS-SCH-HNT:scheduler_hints") or {}
        destination = self._destination(request, wanted, forced_host)
        with self._database.read() as conn:
            self._check_metadata(conn, request, wanted.get("metadata") or {})
            files = files_of(conn, request, self._quota, wanted.get("personality") or [])
            flavor = flavor_of(conn, request, str(wanted["flavorRef"]))
            key = key_of(conn, request, wanted.get("key_name"))
            group = _group(conn, request, hints.get("group"))
            security_groups = _security_groups(conn, request, wanted)
        if not flavor["root_gb"] and image is not None:
            request.authorize(_ZERO_DISK)
        return CreateRequest(
            name=wanted["name"].strip(), flavor=flavor, image=image, min_count=minimum, max_count=maximum,
            networks=wanted.get("networks"), key_name=key["name"] if key else None,
            key_data=key["public_key"] if key else None, metadata=wanted.get("metadata") or {},
            description=_description(request, wanted), hostname=wanted.get("hostname"), tags=wanted.get("tags") or (),
            user_data=wanted.get("user_data"),
            config_drive=bool(files) or self._conf.force_config_drive
            or s.is_true(wanted.get("config_drive", False)),
            access_ip_v4=wanted.get("accessIPv4"), access_ip_v6=wanted.get("accessIPv6"),
            auto_disk_config=wanted.get("OS-DCF:diskConfig") == "AUTO", security_groups=security_groups,
            availability_zone=zone, force_host=forced_host, force_node=forced_node, requested_destination=destination,
            scheduler_hints=hints, group=group, trusted_certs=wanted.get("trusted_image_certificates"),
            admin_pass=self._password(wanted), files=files,
            local_disks=block_devices.local_disks(wanted, flavor, self._conf.max_local_block_devices))

    def _password(self, wanted: dict[str, Any]) -> str | None:
        """What the request names, or a new one where answers tell passwords."""
        named: str | None = wanted.get("adminPass") or None
        return named or (passwords.generate() if self._conf.api.enable_instance_password else None)

    def _image(self, request: Request, image_ref: str) -> dict[str, Any] | None:
        if not image_ref:
            return None
        image = self._images.reference(request.context, image_ref)
        return {"id": image.id, "min_disk": image.min_disk, "min_ram": image.min_ram, "size": image.size,
                "properties": dict(image.properties)}

    def _zone(self, request: Request, text: str | None) -> tuple[str | None, str | None, str | None]:
        """``zone``, ``zone:host`` or ``zone:host:node``; a host may be forced by those whom policy lets."""
        if not text:
            return self._conf.default_schedule_zone, None, None
        zone, _, rest = text.partition(":")
        host, _, node = rest.partition(":")
        if host or node:
            request.authorize(_FORCED)
        if zone and zone not in set(self._hosts.zones(fresh=True).values()):
            raise errors.Invalid("The requested availability zone is not available")
        if host and host not in self._hosts.zones():
            raise errors.Invalid(f"Compute host {host} could not be found.")
        return zone or None, host or None, node or None

    def _destination(self, request: Request, wanted: dict[str, Any], forced: str | None) -> dict[str, str] | None:
        named = {k: wanted[k] for k in ("host", "hypervisor_hostname") if k in wanted}
        if not named:
            return None
        request.authorize(_DESTINATION)
        if forced:
            raise errors.Invalid("One mechanism with host and/or hypervisor_hostname and another mechanism with "
                                 "zone:host:node are mutually exclusive.")
        if "host" in named and named["host"] not in self._hosts.zones(fresh=True):
            raise errors.Invalid(f"Compute host {named['host']} could not be found.")
        node = named.get("hypervisor_hostname")
        if node is not None and not self._hosts.has_hypervisor(node, named.get("host")):
            raise errors.Invalid(f"Compute host {node} could not be found.")
        keys = {"host": "host", "hypervisor_hostname": "node"}
        return {keys[k]: v for k, v in named.items()}

    def _check_metadata(self, conn: sa.Connection, request: Request, metadata: dict[str, str]) -> None:
        who = request.context
        limit = self._quota.limits(conn, who.project_id or "", who.user_id or "")["metadata_items"]
        self._quota.check_count("metadata_items", limit, len(metadata))


def _counts(wanted: dict[str, Any]) -> tuple[int, int]:
    minimum = to_int(wanted.get("min_count", 1), "min_count", 1)
    maximum = to_int(wanted.get("max_count", minimum), "max_count", 1)
    if minimum > maximum:
        raise errors.Invalid("min_count must be <= max_count")
    if minimum > MAX_SERVERS:
        raise errors.Invalid(f"One request may create at most {MAX_SERVERS} servers.")
    return minimum, min(maximum, MAX_SERVERS)


def _refuse_unknown_machinery(wanted: dict[str, Any]) -> None:
    """What needs parts of the cloud that are not there is said at once, not lost on the way."""
    block_devices.check(wanted)
    if wanted.get("block_device_mapping"):
        raise errors.Invalid("Block Device Mapping is Invalid: this cloud has no volume service.")
    if wanted.get("trusted_image_certificates"):
        raise errors.Invalid("Image signature certificate validation is not supported by the hosts of this cloud.")


def _refuse_sharing(networks: Any, count: int) -> None:
    """A port, or an address that is named, is for one server."""
    if count > 1 and isinstance(networks, list):
        if any(entry.get("port") for entry in networks):
            raise errors.Invalid("Unable to launch multiple instances with a single configured port ID. Please launch "
                                 "your instance one by one with different ports.")
        if any(entry.get("fixed_ip") for entry in networks):
            raise errors.Invalid("Invalid fixed IP and maximum count requested: give one of them.")


def files_of(conn: sa.Connection, request: Request, quota: Quota, told: list[dict[str, str]]) -> dict[str, str]:
    """Path → content in base64 of a ``personality``; they go to the guest on its config drive."""
    if not told:
        return {}
    if any({"path", "contents"} - file.keys() for file in told):
        raise errors.Invalid("Bad personality format: a file needs path and contents.")
    limits = quota.limits(conn, request.context.project_id or "", request.context.user_id or "")
    quota.check_count("injected_files", limits["injected_files"], len(told))
    for file in told:
        quota.check_count("injected_file_path_bytes", limits["injected_file_path_bytes"], len(file["path"].encode()))
        quota.check_count("injected_file_content_bytes", limits["injected_file_content_bytes"],
                          len(base64.b64decode(file["contents"])))
    return {file["path"]: file["contents"] for file in told}


def flavor_of(conn: sa.Connection, request: Request, flavorid: str) -> dict[str, Any]:
    who = request.context
    row = flavors.get(conn, flavorid, None if who.is_admin else who.project_id)
    if row is None or row["disabled"]:
        raise errors.Invalid(f"Flavor {flavorid} could not be found.")
    return flavors.flavor_of(row)


def key_of(conn: sa.Connection, request: Request, name: str | None) -> dict[str, Any] | None:
    if name is None:
        return None
    row = keypairs.get(conn, request.context.user_id or "", name)
    if row is None:
        raise errors.Invalid("Invalid key_name provided.")
    return row


def _group(conn: sa.Connection, request: Request, uuid: str | None) -> dict[str, Any] | None:
    if uuid is None:
        return None
    row = server_groups.get(conn, uuid)
    who = request.context
    if row is None or not (who.is_admin or row["project_id"] == who.project_id):
        raise errors.Invalid(f"Instance group {uuid} could not be found.")
    return row


def _description(request: Request, wanted: dict[str, Any]) -> str | None:
    """Before 2.19 the name was the description too."""
    description: str | None = wanted.get("description") if request.version >= (2, 19) else wanted["name"]
    return description


def _security_groups(conn: sa.Connection, request: Request, wanted: dict[str, Any]) -> list[str]:
    """Names of the groups, whichever way each was named."""
    names = list(dict.fromkeys(g["name"] for g in wanted.get("security_groups") or () if g.get("name")))
    if set(names) <= {groups.DEFAULT}:
        return [groups.DEFAULT]
    try:
        found = groups.find(conn, request.context.project_id or "", names)
    except errors.NotFound as e:
        raise errors.Invalid(e.message) from e
    return list(dict.fromkeys(found))
