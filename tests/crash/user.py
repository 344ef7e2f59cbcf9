# SPDX-License-Identifier: Apache-2.0
"""A user of the cloud, over HTTP: what he asks for and what he may read. nova-api may be dying meanwhile."""

from __future__ import annotations

import time
from typing import Any

import requests

from tests.crash.cases import THE_IMAGE, Act


class User:
    def __init__(self, base: str, password: str, image: str, *, admin_password: str | None = None) -> None:
        self._base, self._password, self._image = base, password, image
        self._admin_password = admin_password or password
        self._session, self._admin = requests.Session(), requests.Session()
        self.project_id = ""
        self._down: list[str] = []

    def log_in(self) -> None:
        self.project_id = self._token(self._session, "demo", self._password)
        self._token(self._admin, "admin", self._admin_password)

    def _token(self, session: requests.Session, name: str, password: str) -> str:
        """Give the session a token of that user in the project of the same name; returns the project's id."""
        domain = {"name": "Default"}
        answer = session.post(f"{self._base}/identity/v3/auth/tokens", timeout=120, json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": name, "domain": domain, "password": password}}},
            "scope": {"project": {"name": name, "domain": domain}}}})
        answer.raise_for_status()
        session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        project_id: str = answer.json()["token"]["project"]["id"]
        return project_id

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        """As it is answered."""
        return self._session.post(f"{self._base}/compute/v2.1{path}", timeout=120, json=body,
                                  headers={"OpenStack-API-Version": "compute 2.37"} | headers)

    def ask(self, flavor: str = "1", **headers: str) -> requests.Response:
        """A create, as it is answered."""
        return self.post("/servers", {"server": {"name": "vm", "flavorRef": flavor, "imageRef": self._image,
                                                 "networks": "auto"}}, **headers)

    def create(self, flavor: str = "1") -> str:
        answer = self.ask(flavor)
        assert answer.status_code == 202, answer.text
        uuid: str = answer.json()["server"]["id"]
        return uuid

    def delete(self, uuid: str) -> None:
        """At once, also where deleted servers are kept."""
        answer = self._session.post(f"{self._base}/compute/v2.1/servers/{uuid}/action", timeout=120,
                                    json={"forceDelete": None})
        assert answer.status_code == 202, answer.text

    def act(self, uuid: str, act: Act) -> None:
        """Ask for it as the administrator. An answer that waits for the end is waited for only a moment: what was
        accepted goes on."""
        if act.host_down:
            self._force_down(uuid)
        server = f"{self._base}/compute/v2.1/servers/{uuid}"
        path = act.path.format(port=self._port(server)) if "{port}" in act.path else act.path
        waits = act.path == "/os-interface"
        try:
            answer = self._admin.request(act.method, server + path, timeout=3 if waits else 30,
                                         json=self._named(act.body),
                                         headers={"OpenStack-API-Version": f"compute {act.version}"})
        except (requests.ConnectionError, requests.ReadTimeout):
            if not waits:
                raise
            return
        assert answer.status_code in (200, 202, 204) or (waits and answer.status_code >= 500), answer.text

    def _port(self, server: str) -> str:
        answer = self._admin.get(f"{server}/os-interface", timeout=120)
        answer.raise_for_status()
        port: str = answer.json()["interfaceAttachments"][-1]["port_id"]
        return port

    def _named(self, body: Any) -> Any:
        if isinstance(body, dict):
            return {name: self._named(value) for name, value in body.items()}
        return self._image if body == THE_IMAGE else body

    def _force_down(self, uuid: str) -> None:
        found = self._admin.get(f"{self._base}/compute/v2.1/servers/{uuid}", timeout=120)
        host = found.json()["server"]["OS-EXT-SRV-ATTR:host"]
        self._down.append(host)
        self._say(host, True)

    def take_back(self) -> None:
        """Hosts that were said to be down are not any more."""
        while self._down:
            self._say(self._down[-1], False)
            self._down.pop()

    def _say(self, host: str, down: bool) -> None:
        answer = self._admin.put(f"{self._base}/compute/v2.1/os-services/force-down", timeout=120,
                                 json={"host": host, "binary": "nova-compute", "forced_down": down},
                                 headers={"OpenStack-API-Version": "compute 2.11"})
        assert answer.status_code == 200, answer.text

    def show(self, uuid: str, patience: float = 180.0) -> dict[str, Any] | None:
        """The server as its owner reads it; None when it is gone. An API that restarts is asked again."""
        end = time.monotonic() + patience
        while True:
            try:
                answer = self._session.get(f"{self._base}/compute/v2.1/servers/{uuid}", timeout=120)
                break
            except requests.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        server: dict[str, Any] = answer.json()["server"]
        return server

    def close(self) -> None:
        self._session.close()
        self._admin.close()
