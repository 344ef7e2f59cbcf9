# SPDX-License-Identifier: Apache-2.0
"""nova-standalone as a product: up, status, down, side by side, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.functional.daemons.conftest import PROGRAMS
from tests.services.process import free_port


class Standalone:
    def __init__(self, path: Path) -> None:
        self.path, self.port = path, free_port()

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAMS / "nova-standalone", command, "--state-dir", self.path, *arguments],
                              capture_output=True, text=True, timeout=200, check=False)

    def up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--virt", "fake", "--listen", f"127.0.0.1:{self.port}", *arguments)

    def status(self) -> Any:
        return json.loads(self.run("status", "-f", "json").stdout)

    def token(self, cloud: str = "demo") -> dict[str, Any]:
        auth = yaml.safe_load((self.path / "clouds.yaml").read_text())["clouds"][cloud]["auth"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        answer = requests.post(f"{auth['auth_url']}/auth/tokens", timeout=120, json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}}})
        assert answer.status_code == 201, answer.text
        return {"X-Auth-Token": answer.headers["X-Subject-Token"]}

    def get(self, path: str) -> Any:
        answer = requests.get(f"http://127.0.0.1:{self.port}{path}", headers=self.token(), timeout=120)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Standalone]:
    made = Standalone(tmp_path / "cloud")
    yield made
    made.run("down")


def test_the_life_of_a_cloud(cloud: Standalone) -> None:
    first = cloud.up("--hosts", "2")
    assert first.returncode == 0, first.stderr
    assert {f["name"] for f in cloud.get("/compute/v2.1/flavors")["flavors"]} == {
        "m1.nano", "m1.tiny", "m1.small", "m1.medium", "m1.large"}
    assert [i["status"] for i in cloud.get("/image/v2/images")["images"]] == ["active"]
    for name in ("clouds.yaml", "openrc", "passwords.json", "nova.conf", "api.sqlite", "cell1.sqlite"):
        assert (cloud.path / name).stat().st_mode & 0o777 == 0o600, name

    again = cloud.up()
    assert again.returncode == 0 and "running already" in again.stdout
    status = cloud.status()
    assert status["state"] == "ready" and set(status["endpoints"]) == {"compute", "identity", "image", "placement"}
    assert len(status["hosts"]) == 2 and set(status["databases"]) == {"api", "cell0", "cell1"}

    passwords = (cloud.path / "passwords.json").read_text()
    assert cloud.run("down").returncode == 0
    assert cloud.status()["state"] == "down" and cloud.run("status").returncode == 3
    assert cloud.run("down").returncode == 0
    assert cloud.run("up").returncode == 0
    assert len(cloud.status()["hosts"]) == 2 and (cloud.path / "passwords.json").read_text() == passwords
    assert len(cloud.get("/image/v2/images")["images"]) == 1


def test_two_clouds_side_by_side_and_a_port_that_is_taken(cloud: Standalone, tmp_path: Path) -> None:
    other = Standalone(tmp_path / "other")
    try:
        assert cloud.up().returncode == 0
        refused = other.run("up", "--virt", "fake", "--listen", f"127.0.0.1:{cloud.port}")
        assert refused.returncode == 1 and "--listen" in refused.stderr and "in use" in refused.stderr
        assert other.up("--hosts", "2", "--cells", "2").returncode == 0
        assert cloud.get("/compute/v2.1/servers")["servers"] == other.get("/compute/v2.1/servers")["servers"] == []
        assert sorted(other.status()["hosts"].values()) == ["cell1", "cell2"]
    finally:
        other.run("down")


@pytest.mark.parametrize(("arguments", "words"), [
    (["--virt", "libvirt", "--hosts", "2"], "--hosts"),
    (["--virt", "fake", "--cells", "3", "--hosts", "2"], "--cells"),
    (["--virt", "fake", "--daemons"], "--bus"),
    (["--virt", "fake", "--bus", "amqp:x"], "--bus"),
    (["--virt", "fake", "--database", "postgresql://nova:hidden@127.0.0.1:1/nova"], "--database"),
    (["--virt", "fake", "--listen", "somewhere"], "--listen"),
])
def test_wrong_options_are_named_in_one_line(cloud: Standalone, arguments: list[str], words: str) -> None:
    done = cloud.run("up", *arguments)
    assert done.returncode == 1 and words in done.stderr and "hidden" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert cloud.status()["state"] == "down"
