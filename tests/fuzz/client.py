# SPDX-License-Identifier: Apache-2.0
"""A cloud in a process of its own with one of most things in it, and clients that keep their connections."""

from __future__ import annotations

import dataclasses
import http.client
import json
import time
from pathlib import Path
from typing import Any

import yaml

from tests.api.compute.bodies import UUID
from tests.api.compute.world import KEY


@dataclasses.dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


class Http:
    """One connection; not for two threads at a time."""

    def __init__(self, port: int, tokens: dict[str, str]) -> None:
        self.port, self.tokens = port, tokens
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(self, method: str, path: str, raw: bytes = b"",
             headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body. A connection that the other side has closed between two requests is opened again."""
        for last in (False, True):
            try:
                self._connection.request(method, path, raw or None, headers or {})
                response = self._connection.getresponse()
                return response.status, response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self._connection.close()
                if last:
                    raise
        raise AssertionError("not reached")

    def __call__(self, method: str, path: str, body: Any = None, *, who: str = "demo", version: str = "2.1",
                 front: str = "/compute/v2.1") -> Answer:
        headers = {"X-Auth-Token": self.tokens.get(who, who), "OpenStack-API-Version": f"compute {version}",
                   "Content-Type": "application/json"}
        status, raw = self.send(method, front + path, json.dumps(body).encode() if body is not None else b"", headers)
        return Answer(status, json.loads(raw) if raw[:1] in (b"{", b"[") else raw, {})

    def close(self) -> None:
        self._connection.close()


class Site:
    """The running cloud: tokens of three people, and what can be named in paths."""

    def __init__(self, directory: Path) -> None:
        clouds = yaml.safe_load((directory / "clouds.yaml").read_text())["clouds"]
        self._auth = {name: cloud["auth"] for name, cloud in clouds.items()}
        url = next(iter(self._auth.values()))["auth_url"]
        self.port = int(url.split("/")[2].rpartition(":")[2])
        self.pid = int(json.loads((directory / "run.json").read_text())["pid"])
        self.tokens: dict[str, str] = {}
        api = Http(self.port, self.tokens)
        admin = next(name for name in self._auth if "admin" in name)
        self.tokens["admin"] = self._token(admin)
        self.tokens["demo"] = self._token("demo")
        self.tokens["other"] = self._stranger(api, "stranger")
        self.tokens["neighbour"] = self._stranger(api, "neighbour")
        self.image = api("GET", "/images", front="/image/v2").body["images"][0]["id"]
        self.flavor = api("GET", "/flavors").body["flavors"][0]["id"]
        self.home = self._server(api, "neighbour")
        self.ids = self._fill(api)
        api.close()

    def _token(self, cloud: str) -> str:
        auth = self._auth[cloud]
        return self._login(auth["username"], auth["password"], auth["project_name"])

    def _login(self, user: str, password: str, project: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        domain = {"id": "default"}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": user, "password": password, "domain": domain}}},
            "scope": {"project": {"name": project, "domain": domain}}}}
        connection.request("POST", "/identity/v3/auth/tokens", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        token = response.headers["X-Subject-Token"]
        response.read()
        connection.close()
        assert token, response.status
        return token

    def _stranger(self, api: Http, name: str) -> str:
        """The token of a member of a project of his own."""
        def ask(method: str, path: str, body: Any = None) -> Any:
            return api(method, path, body, who="admin", front="/identity/v3").body

        project = ask("POST", "/projects", {"project": {"name": f"{name}-home"}})["project"]["id"]
        user = ask("POST", "/users", {"user": {"name": name, "password": f"s3cret-{name}"}})["user"]["id"]
        role = ask("GET", "/roles?name=member")["roles"][0]["id"]
        ask("PUT", f"/projects/{project}/users/{user}/roles/{role}")
        return self._login(name, f"s3cret-{name}", f"{name}-home")

    def _server(self, api: Http, who: str) -> str:
        body = {"server": {"name": "one", "imageRef": self.image, "flavorRef": self.flavor, "networks": "auto"}}
        answer = api("POST", "/servers", body, who=who, version="2.37")
        assert answer.status == 202, answer
        server = str(answer.body["server"]["id"])
        deadline = time.monotonic() + 60
        while api("GET", f"/servers/{server}", who=who).body["server"]["status"] != "ACTIVE":
            assert time.monotonic() < deadline, "the server is not built"
            time.sleep(0.2)
        return server

    def _fill(self, api: Http) -> dict[str, str]:
        def made(path: str, body: Any, name: str, who: str = "demo", id: str = "id", version: str = "2.1") -> str:
            answer = api("POST", path, body, who=who, version=version)
            assert answer.status < 300, (path, answer)
            return str(answer.body[name][id])

        server = self._server(api, "demo")
        flavor = made("/flavors", {"flavor": {"name": "own", "ram": 64, "vcpus": 1, "disk": 1}}, "flavor", "admin")
        aggregate = made("/os-aggregates", {"aggregate": {"name": "own"}}, "aggregate", "admin")
        group = made("/os-security-groups", {"security_group": {"name": "own", "description": ""}}, "security_group")
        api("POST", f"/servers/{server}/metadata", {"metadata": {"key": "value"}})
        return {"/servers/{id}": server, "/servers/{server_id}": server, "/os-volumes_boot/{id}": server,
                "/flavors/{id}": flavor, "/flavors/{flavor_id}": flavor, "/os-aggregates/{id}": aggregate,
                "/os-security-groups/{id}": group, "/servers/{server_id}/metadata/{id}": "key",
                "/os-keypairs/{id}": made("/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}}, "keypair",
                                          id="name"),
                "/os-server-groups/{id}": made("/os-server-groups", {"server_group": {
                    "name": "g", "policies": ["affinity"]}}, "server_group"),
                "/extensions/{id}": "os-keypairs", "/versions/{id}": "v2.1"}

    def id(self, template: str) -> str:
        return self.ids.get(template, UUID)
