# SPDX-License-Identifier: Apache-2.0
"""What a guest may know of itself."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

from nova.virt import metadata
from nova.virt.types import GuestSpec, Nic

NETWORK = {"id": "net1", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "dns": ["192.0.2.53"], "bridge": "br100"}
GUEST = GuestSpec(
    uuid="6d1f0b9c-0000-4000-8000-000000000001", name="instance-1", display_name="Web 1", vcpus=2, memory_mb=512,
    root_gb=1, hostname="web-1", project_id="p1", launch_index=3, availability_zone="nova", flavor={"name": "m1"},
    nics=(Nic(id="n1", address="fa:16:3e:00:00:01", device="tapn1", bridge="br100", mtu=1450, ips=("10.0.0.5",),
              network=NETWORK),))


def read(tree: dict[str, bytes], name: str) -> Any:
    return json.loads(tree[name])


def test_each_version_has_what_it_had() -> None:
    tree = metadata.config_drive(GUEST)
    names = {version: {n.rpartition("/")[2] for n in tree if n.startswith(f"openstack/{version}/")}
             for version in metadata.VERSIONS}
    assert names["2012-08-10"] == {"meta_data.json"}
    assert names["2013-10-17"] == {"meta_data.json", "vendor_data.json"}
    assert names["latest"] == {"meta_data.json", "vendor_data.json", "vendor_data2.json", "network_data.json"}
    assert "random_seed" not in read(tree, "openstack/2012-08-10/meta_data.json")
    assert "project_id" not in read(tree, "openstack/2013-04-04/meta_data.json")
    latest = read(tree, "openstack/latest/meta_data.json")
    assert len(base64.b64decode(latest["random_seed"])) == 512
    assert (latest["name"], latest["hostname"], latest["launch_index"]) == ("Web 1", "web-1", 3)
    assert latest["project_id"] == "p1" and latest["dedicated_cpus"] == [] and "admin_pass" not in latest


def test_no_seed_is_drawn_twice() -> None:
    seeds = {read(metadata.config_drive(GUEST), "openstack/latest/meta_data.json")["random_seed"] for _ in range(3)}
    assert len(seeds) == 3


def test_keys_passwords_files_and_user_data() -> None:
    guest = dataclasses.replace(
        GUEST, key_name="mine", key_data="ssh-rsa AAAA", admin_pass="secret", user_data="not base64!",
        files={"/a": base64.b64encode(b"one").decode(), "/b": base64.b64encode(b"two").decode()})
    tree = metadata.config_drive(guest)
    told = read(tree, "openstack/latest/meta_data.json")
    assert told["keys"] == [{"name": "mine", "type": "ssh", "data": "ssh-rsa AAAA"}]
    assert told["admin_pass"] == "secret"
    assert [(f["path"], tree["openstack" + f["content_path"]]) for f in told["files"]] == [
        ("/a", b"one"), ("/b", b"two")]
    assert tree["openstack/latest/user_data"] == b"not base64!"
    ec2 = read(tree, "ec2/latest/meta-data.json")
    assert (ec2["local-ipv4"], ec2["public-keys"]["0"]["openssh-key"]) == ("10.0.0.5", "ssh-rsa AAAA")
    assert "secret" not in repr(guest)


def test_a_static_network() -> None:
    told = metadata.network_data(GUEST)
    assert told["links"] == [{"id": "tapn1", "type": "bridge", "vif_id": "n1", "mtu": 1450,
                              "ethernet_mac_address": "fa:16:3e:00:00:01"}]
    assert told["networks"] == [{
        "id": "network0", "link": "tapn1", "network_id": "net1", "type": "ipv4", "ip_address": "10.0.0.5",
        "netmask": "255.255.255.0", "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}]}]
    assert told["services"] == [{"type": "dns", "address": "192.0.2.53"}]


def test_networks_with_dhcp_and_without_any_address() -> None:
    (nic,) = GUEST.nics
    dhcp = dataclasses.replace(nic, network=NETWORK | {"dhcp_server": "10.0.0.1"}, ips=("10.0.0.5", "2001:db8::5"))
    bare = dataclasses.replace(nic, id="n2", bridge=None, ips=(), network={})
    told = metadata.network_data(dataclasses.replace(GUEST, nics=(dhcp, bare)))
    assert [n["type"] for n in told["networks"]] == ["ipv4_dhcp", "ipv6_dhcp"]
    assert [link["type"] for link in told["links"]] == ["bridge", "phy"]


def test_dedicated_processors_are_told() -> None:
    guest = dataclasses.replace(GUEST, extra_specs={"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"})
    assert metadata.meta_data(guest, "latest", "x")["dedicated_cpus"] == [1]
    assert "dedicated_cpus" not in metadata.meta_data(guest, "2018-08-27", "x")
