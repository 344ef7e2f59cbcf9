# SPDX-License-Identifier: Apache-2.0
"""A user of the cloud, over HTTP: what he asks for and what he may read. nova-api may be dying meanwhile."""

from __future__ import annotations

import time
from typing import Any

import requests


class User:
    def __init__(self, base: str, password: str, image: str) -> None:
        self._base, self._password, self._image = base, password, image
        self._session = requests.Session()
        self.project_id = ""

    def log_in(self) -> None:
        domain = {"name": "Default"}
        answer = self._session.post(f"{self._base}/identity/v3/auth/tokens", timeout=30, json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "demo", "domain": domain, "password": self._password}}},
            "scope": {"project": {"name": "demo", "domain": domain}}}})
        answer.raise_for_status()
        self.project_id = answer.json()["token"]["project"]["id"]
        self._session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def create(self, flavor: str = "1") -> str:
        answer = self._session.post(f"{self._base}/compute/v2.1/servers", timeout=30, json={"server": {
            "name": "vm", "flavorRef": flavor, "imageRef": self._image, "networks": "auto"}},
            headers={"OpenStack-API-Version": "compute 2.37"})
        assert answer.status_code == 202, answer.text
        uuid: str = answer.json()["server"]["id"]
        return uuid

    def delete(self, uuid: str) -> None:
        answer = self._session.delete(f"{self._base}/compute/v2.1/servers/{uuid}", timeout=30)
        assert answer.status_code == 204, answer.text

    def show(self, uuid: str, patience: float = 30.0) -> dict[str, Any] | None:
        """The server as its owner reads it; None when it is gone. An API that restarts is asked again."""
        end = time.monotonic() + patience
        while True:
            try:
                answer = self._session.get(f"{self._base}/compute/v2.1/servers/{uuid}", timeout=30)
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
