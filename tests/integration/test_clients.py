# SPDX-License-Identifier: Apache-2.0
"""The unmodified ``openstack`` command and openstacksdk against a standalone cloud with the fake driver."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients import PATIENCE, OpenStackCommand, eventually, sdk
from tests.integration.site import ROOT, environment
from tests.services.process import free_port

NAME = """<web a="1">&amp; 'ü'"""


def standalone(directory: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "nova.cmd.standalone", *words, "--state-dir", str(directory)],
                          env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clouds() -> Iterator[Path]:
    """The clouds.yaml of a running cloud with two hosts."""
    with tempfile.TemporaryDirectory(prefix="nova-clients-") as place:
        directory = Path(place) / "cloud"
        standalone(directory, "up", "--virt", "fake", "--hosts", "2", "--listen", f"127.0.0.1:{free_port()}")
        try:
            yield directory / "clouds.yaml"
        finally:
            standalone(directory, "down")
            print((directory / "log" / "nova-standalone.log").read_text()[-20000:])  # shown when a test failed


@pytest.fixture(scope="module")
def demo(clouds: Path) -> OpenStackCommand:
    return OpenStackCommand(clouds, "demo")


@pytest.fixture(scope="module")
def admin(clouds: Path) -> OpenStackCommand:
    return OpenStackCommand(clouds, "admin")


def test_a_server_from_create_to_delete(demo: OpenStackCommand, clouds: Path) -> None:
    server = demo("server", "create", "--flavor", "m1.tiny", "--image", "guest", "--property", "a=b", "--wait", NAME)
    assert (server["status"], server["name"], server["properties"]) == ("ACTIVE", NAME, {"a": "b"})
    [address] = server["addresses"]["private"]
    listed, shown = demo.all("server list -f json", f"server show {server['id']} -f json")
    assert [(s["ID"], s["Name"], s["Status"], s["Networks"]) for s in listed] == [
        (server["id"], NAME, "ACTIVE", {"private": [address]})]
    assert shown["image"].startswith("guest (") and shown["flavor"]["name"] == "m1.tiny"
    assert "SeaBIOS" in demo.text("console", "log", "show", server["id"])

    seen = sdk(clouds, "demo").compute
    for command, status in (("stop", "SHUTOFF"), ("start", "ACTIVE")):
        demo.text("server", command, server["id"])
        eventually(lambda wanted=status: seen.get_server(server["id"]).status == wanted, command)
    events, left = demo.all(f"server reboot --wait {server['id']}", f"server reboot --hard --wait {server['id']}",
                            f"server event list {server['id']} -f json", f"server delete --wait {server['id']}",
                            "server list -f json")
    assert [e["Action"] for e in events] == ["reboot", "reboot", "start", "stop", "create"]
    assert left == []
    assert "No Server found" in demo.refused("server", "show", server["id"])


def test_flavors(demo: OpenStackCommand, admin: OpenStackCommand) -> None:
    flavors, nano = demo.all("flavor list -f json", "flavor show m1.nano -f json")
    assert [f["Name"] for f in flavors] == ["m1.nano", "m1.tiny", "m1.small", "m1.medium", "m1.large"]
    assert (nano["ram"], nano["vcpus"], nano["disk"]) == (128, 1, 1)
    made, shown, left = admin.all(
        "flavor create --ram 64 --disk 2 --vcpus 3 --property hw:cpu_policy=shared x1 -f json",
        "flavor show x1 -f json", "flavor unset --property hw:cpu_policy x1", "flavor delete x1",
        "flavor list -f json")
    assert made["name"] == "x1" and shown["properties"] == {"hw:cpu_policy": "shared"}
    assert "x1" not in [f["Name"] for f in left]
    assert "403" in demo.refused("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "mine")


def test_images(demo: OpenStackCommand, tmp_path: Path) -> None:
    file = tmp_path / "disk.raw"
    file.write_bytes(bytes(range(256)) * 4096)
    made = demo("image", "create", "--disk-format", "raw", "--file", str(file), "--property", "k=v", "mine")
    assert made["name"] == "mine"
    listed, shown = demo.all("image list -f json", "image show mine -f json")
    assert {(i["Name"], i["Status"]) for i in listed} == {("guest", "active"), ("mine", "active")}
    assert (shown["size"], shown["properties"]["k"], shown["visibility"]) == (1 << 20, "v", "shared")
    [left] = demo.all(f"image save --file {tmp_path / 'back'} mine", "image set --name other --tag t mine",
                      "image delete other", "image list -f json")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert [i["Name"] for i in left] == ["guest"]


def test_keypairs(demo: OpenStackCommand, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@here", "-f", key], check=True, timeout=120)
    made = demo("keypair", "create", "--public-key", f"{key}.pub", "mine")
    listed, shown, left = demo.all("keypair list -f json", "keypair show mine -f json", "keypair delete mine",
                                   "keypair list -f json")
    assert made["fingerprint"] == shown["fingerprint"] == listed[0]["Fingerprint"]
    assert left == []


def test_what_administrators_see(admin: OpenStackCommand, demo: OpenStackCommand) -> None:
    hypervisors, services, zones = admin.all(
        "hypervisor list -f json", "compute service list -f json", "availability zone list --compute -f json")
    assert {h["State"] for h in hypervisors} == {"up"} and len(hypervisors) == 2
    binaries = {s["Binary"] for s in services}
    assert {"nova-compute", "nova-scheduler", "nova-conductor"} <= binaries
    assert {s["State"] for s in services} == {"up"}
    assert "nova" in [z["Zone Name"] for z in zones if z["Zone Status"] == "available"]
    shown = admin("hypervisor", "show", hypervisors[0]["Hypervisor Hostname"])
    assert shown["status"] == "enabled"
    assert "403" in demo.refused("hypervisor", "list")


def test_tokens_the_catalogue_and_users(admin: OpenStackCommand, demo: OpenStackCommand) -> None:
    token, catalog, extensions = demo.all("token issue -f json", "catalog list -f json", "versions show -f json")
    assert token["project_id"]
    assert {s["Type"] for s in catalog} >= {"compute", "identity", "image", "placement"}
    assert {v["Service Type"] for v in extensions} >= {"compute", "identity", "image"}
    name = f"p{uuid.uuid4().hex[:6]}"
    project, user, assignments = admin.all(
        f"project create {name} -f json", f"user create --project {name} --password pw {name} -f json",
        f"role add --user {name} --project {name} member", f"role assignment list --user {name} --names -f json")
    assert user["default_project_id"] == project["id"]
    assert [(a["Role"], a["Project"]) for a in assignments] == [("member", f"{name}@Default")]
    [left] = admin.all(f"user delete {name}", f"project delete {name}", "project list -f json")
    assert name not in [p["Name"] for p in left]


def test_limits_and_quotas(admin: OpenStackCommand, demo: OpenStackCommand) -> None:
    limits = {row["Name"]: row["Value"] for row in demo("limits", "show", "--absolute")}
    assert limits["total_instances_used"] == 0 and limits["max_total_instances"] > 0
    quota = {row["Resource"]: row["Limit"] for row in admin("quota", "show", "--compute", "demo")}
    assert quota["instances"] == limits["max_total_instances"]
    admin.text("quota", "set", "--instances", "1", "demo")
    refusal = demo.refused("server", "create", "--flavor", "m1.nano", "--image", "guest", "--min=2", "--max=2", "x")
    assert "403" in refusal and "Quota exceeded" in refusal
    admin.text("quota", "set", "--instances", str(quota["instances"]), "demo")


@pytest.mark.filterwarnings("ignore")  # openstacksdk takes its own warnings for an answer that has not come yet
def test_openstacksdk_boots_a_server(clouds: Path) -> None:
    cloud = sdk(clouds, "demo")
    server = cloud.create_server("sdk", image="guest", flavor="m1.nano", wait=True, auto_ip=False, timeout=PATIENCE)
    assert server.status == "ACTIVE"
    assert [s.id for s in cloud.compute.servers(name="sdk")] == [server.id]
    cloud.compute.set_server_metadata(server, k="v")
    assert cloud.compute.get_server_metadata(server).metadata == {"k": "v"}
    assert cloud.delete_server("sdk", wait=True, timeout=PATIENCE)
    assert list(cloud.compute.servers()) == []
    cloud.close()
