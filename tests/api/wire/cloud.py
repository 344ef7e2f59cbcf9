# SPDX-License-Identifier: Apache-2.0
"""A whole cloud with the fake driver, and the users that the exchanges are made by: admin, demo and tiny."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.services.process import free_port

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0


@dataclasses.dataclass(frozen=True)
class User:
    token: str
    user_id: str
    project_id: str


class Cloud:
    """``send`` makes requests; ``users`` are known by the names that the exchanges use."""

    def __init__(self, clouds: Path) -> None:
        known = yaml.safe_load(clouds.read_text())["clouds"]
        self.identity = known["admin"]["auth"]["auth_url"]
        self.base = self.identity.removesuffix("/identity/v3")
        self.http = httpx.Client(timeout=PATIENCE)
        self.users = {name: self.log_in(known[name]["auth"]) for name in ("admin", "demo")}

    def log_in(self, auth: dict[str, str]) -> User:
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        answer = self.http.post(f"{self.identity}/auth/tokens", json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}}})
        token = answer.json()["token"]
        return User(answer.headers["X-Subject-Token"], token["user"]["id"], token["project"]["id"])

    def ask(self, method: str, url: str, body: Any = None, *, who: str = "admin", version: str = "2.104") -> Any:
        """The answer of a request that must do; ``url`` begins with the front: ``compute/v2.1/…``."""
        answer = self.http.request(method, f"{self.base}/{url}", json=body, headers={
            "X-Auth-Token": self.users[who].token, "OpenStack-API-Version": f"compute {version}"})
        assert answer.is_success, (method, url, answer.text)
        return answer.json() if answer.content else None

    def add_user(self, name: str) -> User:
        """A member of a project of its own."""
        project = self.ask("POST", "identity/v3/projects", {"project": {"name": name}})["project"]["id"]
        user = self.ask("POST", "identity/v3/users", {"user": {"name": name, "password": name}})["user"]["id"]
        [role] = self.ask("GET", "identity/v3/roles?name=member")["roles"]
        self.ask("PUT", f"identity/v3/projects/{project}/users/{user}/roles/{role['id']}")
        self.users[name] = self.log_in({"username": name, "password": name, "project_name": name})
        return self.users[name]

    def eventually(self, look: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < end, f"{what}: not within {PATIENCE:g} s"
            time.sleep(0.05)


@contextmanager
def running(place: Path) -> Iterator[Cloud]:
    directory = place / "cloud"
    _standalone(directory, "up", "--virt", "fake", "--hosts", "2", "--listen", f"127.0.0.1:{free_port()}")
    try:
        cloud = Cloud(directory / "clouds.yaml")
        with closing(cloud.http):
            yield cloud
    finally:
        _standalone(directory, "down")
        print((directory / "log" / "nova-standalone.log").read_text()[-20000:])  # shown when a test failed


def _standalone(directory: Path, *words: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run([sys.executable, "-m", "nova.cmd.standalone", *words, "--state-dir", str(directory)],
                          cwd=ROOT, env=kept | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
