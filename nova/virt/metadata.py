# SPDX-License-Identifier: Apache-2.0
"""What a guest may know of itself, as files: the tree of a config drive, and of the metadata service, which shares it.

Formats are those that guests' tools (cloud-init among them) read: meta_data.json, network_data.json, EC2's meta-data.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping
from typing import Any

import orjson

from nova.virt.hardware import numa
from nova.virt.hardware.wishes import Wishes
from nova.virt.types import GuestSpec, Nic

#: Versions of the tree, oldest first, and since when it holds what.
VERSIONS = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22",
            "2018-08-27", "2020-10-14", "latest")
RANDOM_SEED, VENDOR_DATA, NETWORK_DATA, DEVICES, VENDOR_DATA2 = (
    "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06")
DEDICATED_CPUS = "2020-10-14"
EC2_VERSIONS = ("2009-04-04", "latest")
SEED_BYTES = 512

Vendor = Mapping[str, Any]


def config_drive(guest: GuestSpec, vendor_data: Vendor | None = None,
                 vendor_data2: Vendor | None = None) -> dict[str, bytes]:
    """Path → content of all files of a config drive. The seed is drawn anew."""
    seed = base64.b64encode(os.urandom(SEED_BYTES)).decode()
    tree: dict[str, bytes] = {}
    for version in VERSIONS:
        documents = openstack(guest, version, seed, vendor_data, vendor_data2)
        tree.update({f"openstack/{version}/{name}": content for name, content in documents.items()})
    tree.update({f"openstack/content/{i:04d}": _decoded(content) for i, content in enumerate(guest.files.values())})
    for version in EC2_VERSIONS:
        tree[f"ec2/{version}/meta-data.json"] = orjson.dumps(ec2_meta_data(guest))
        if guest.user_data:
            tree[f"ec2/{version}/user-data"] = _decoded(guest.user_data)
    return tree


def openstack(guest: GuestSpec, version: str, seed: str, vendor_data: Vendor | None = None,
              vendor_data2: Vendor | None = None) -> dict[str, bytes]:
    """File → content below ``openstack/VERSION``."""
    documents = {"meta_data.json": orjson.dumps(meta_data(guest, version, seed))}
    if guest.user_data:
        documents["user_data"] = _decoded(guest.user_data)
    if version >= VENDOR_DATA:
        documents["vendor_data.json"] = orjson.dumps(dict(vendor_data or {}))
    if version >= VENDOR_DATA2:
        documents["vendor_data2.json"] = orjson.dumps(dict(vendor_data2 or {}))
    if version >= NETWORK_DATA:
        documents["network_data.json"] = orjson.dumps(network_data(guest))
    return documents


def meta_data(guest: GuestSpec, version: str, seed: str) -> dict[str, Any]:
    """meta_data.json; versions compare as text, and ``latest`` is after all."""
    told: dict[str, Any] = {
        "uuid": guest.uuid, "name": guest.display_name, "hostname": guest.hostname or guest.display_name,
        "launch_index": guest.launch_index, "availability_zone": guest.availability_zone,
    }
    if guest.metadata:
        told["meta"] = dict(guest.metadata)
    if guest.key_data:
        name = guest.key_name or "key"
        told["public_keys"] = {name: guest.key_data}
        told["keys"] = [{"name": name, "type": "ssh", "data": guest.key_data}]
    if guest.admin_pass:
        told["admin_pass"] = guest.admin_pass
    if guest.files:
        told["files"] = [{"content_path": f"/content/{i:04d}", "path": path} for i, path in enumerate(guest.files)]
    if version >= RANDOM_SEED:
        told["random_seed"] = seed
    if version >= NETWORK_DATA:
        told["project_id"] = guest.project_id
    if version >= DEVICES:
        told["devices"] = []
    if version >= DEDICATED_CPUS:
        asked = Wishes(guest.extra_specs, guest.image_properties)
        told["dedicated_cpus"] = sorted(numa.dedicated(asked, guest.vcpus))
    return told


def network_data(guest: GuestSpec) -> dict[str, Any]:
    """network_data.json: links, the networks on them, and name servers."""
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: list[dict[str, Any]] = []
    for nic in guest.nics:
        links.append({"id": nic.device, "type": "bridge" if nic.bridge else "phy", "vif_id": nic.id,
                      "ethernet_mac_address": nic.address, "mtu": nic.mtu})
        for address in nic.ips:
            networks.append(_network(nic, address, len(networks)))
        services += [{"type": "dns", "address": str(a)} for a in nic.network.get("dns") or ()]
    unique = {s["address"]: s for s in services}
    return {"links": links, "networks": networks, "services": list(unique.values())}


def _network(nic: Nic, address: str, index: int) -> dict[str, Any]:
    """A network with DHCP is told as such; another with everything that a static configuration needs."""
    version = ipaddress.ip_address(address).version
    told: dict[str, Any] = {"id": f"network{index}", "link": nic.device, "network_id": nic.network.get("id") or ""}
    if version == 4 and nic.network.get("dhcp_server"):
        return told | {"type": "ipv4_dhcp"}
    cidr = nic.network.get("cidr" if version == 4 else "cidr_v6")
    gateway = nic.network.get("gateway" if version == 4 else "gateway_v6")
    if not cidr:
        return told | {"type": f"ipv{version}_dhcp"}
    nowhere = "0.0.0.0" if version == 4 else "::"  # noqa: S104 -- a route, not where something listens
    routes = [{"network": nowhere, "netmask": nowhere, "gateway": gateway}] if gateway else []
    return told | {"type": f"ipv{version}", "ip_address": address, "routes": routes,
                   "netmask": str(ipaddress.ip_network(cidr, strict=False).netmask)}


def ec2_meta_data(guest: GuestSpec) -> dict[str, Any]:
    """EC2's tree of meta-data as one document."""
    told: dict[str, Any] = {
        "instance-id": guest.uuid, "hostname": guest.hostname, "local-hostname": guest.hostname,
        "public-hostname": guest.hostname, "ami-launch-index": guest.launch_index,
        "instance-type": guest.flavor.get("name", ""), "security-groups": list(guest.security_groups),
        "placement": {"availability-zone": guest.availability_zone},
        "local-ipv4": next((a for nic in guest.nics for a in nic.ips if ":" not in a), ""),
    }
    if guest.key_data:
        told["public-keys"] = {"0": {"_name": f"0={guest.key_name or 'key'}", "openssh-key": guest.key_data}}
    return told


def _decoded(text: str) -> bytes:
    """User data and files come in base64; what is not, is taken as it is."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()
