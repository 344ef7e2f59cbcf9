# SPDX-License-Identifier: Apache-2.0
"""Tempest's configuration, from what the cloud says of itself: its catalogue, version, flavors, images and services."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import yaml

#: The smallest image that the image store takes as a disk.
DISK = b"\0" * (1 << 20)
TIMEOUT = 60

Sections = dict[str, dict[str, Any]]


class Admin:
    """An administrator of the cloud that a ``clouds.yaml`` describes."""

    def __init__(self, clouds: Path) -> None:
        known = yaml.safe_load(clouds.read_text())["clouds"]["admin"]
        self.auth: dict[str, str] = known["auth"]
        self.region: str = known["region_name"]
        self.http = requests.Session()
        token = self._token()
        self.endpoints = {service["type"]: endpoint["url"].rstrip("/") for service in token["catalog"]
                          for endpoint in service["endpoints"]
                          if endpoint["interface"] == "public" and endpoint["region_id"] == self.region}

    def _token(self) -> dict[str, Any]:
        auth = self.auth
        user = {"name": auth["username"], "password": auth["password"], "domain": {"name": auth["user_domain_name"]}}
        project = {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}
        answer = self.http.post(f"{auth['auth_url']}/auth/tokens", timeout=TIMEOUT, json={"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": project}}})
        answer.raise_for_status()
        self.http.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        token: dict[str, Any] = answer.json()["token"]
        return token

    def get(self, service: str, path: str) -> Any:
        answer = self.http.get(self.endpoints[service] + path, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()

    def add_image(self, name: str) -> str:
        """A public image that holds an empty disk; its id."""
        base = f"{self.endpoints['image']}/v2/images"
        made = self.http.post(base, timeout=TIMEOUT, json={
            "name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"})
        made.raise_for_status()
        image: str = made.json()["id"]
        self.http.put(f"{base}/{image}/file", data=DISK, timeout=TIMEOUT,
                      headers={"Content-Type": "application/octet-stream"}).raise_for_status()
        return image


def write(file: Path, clouds: Path, features: Mapping[str, bool | str]) -> None:
    """``features`` are tempest's switches, ``GROUP.NAME``, for what the cloud declares that it has or lacks."""
    sections = sections_for(Admin(clouds), file.parent)
    for name, value in features.items():
        group, _, option = name.rpartition(".")
        sections.setdefault(group, {})[option] = value
    parser = configparser.RawConfigParser()
    for section, values in sections.items():
        if section != "DEFAULT":
            parser.add_section(section)
        for option, value in values.items():
            parser.set(section, option, str(value))
    with file.open("w") as stream:
        parser.write(stream)
    file.chmod(0o600)  # it holds the administrator's password


def sections_for(admin: Admin, place: Path) -> Sections:
    auth, types = admin.auth, set(admin.endpoints)
    pools = admin.get("compute", "/os-floating-ip-pools")["floating_ip_pools"]
    version = admin.get("compute", "/")["version"]
    hosts = admin.get("compute", "/os-services?binary=nova-compute")["services"]
    hypervisors = admin.get("compute", "/os-hypervisors/detail")["hypervisors"]
    small, larger = smallest_flavors(admin)
    return {
        "DEFAULT": {"log_dir": place, "log_file": "tempest.log", "use_stderr": False},
        "oslo_concurrency": {"lock_path": place / "locks"},
        "auth": {"use_dynamic_credentials": True, "create_isolated_networks": False, "tempest_roles": "member",
                 "admin_username": auth["username"], "admin_password": auth["password"],
                 "admin_project_name": auth["project_name"], "admin_user_domain_name": auth["user_domain_name"],
                 "admin_project_domain_name": auth["project_domain_name"],
                 "admin_domain_name": auth["user_domain_name"]},
        "identity": {"uri_v3": auth["auth_url"], "auth_version": "v3", "region": admin.region,
                     "v3_endpoint_type": "public"},
        "service_available": {"nova": True, "glance": "image" in types, "neutron": "network" in types,
                              "cinder": bool(types & {"volumev3", "block-storage"}), "swift": "object-store" in types,
                              "placement": "placement" in types, "horizon": False},
        "compute": {"image_ref": admin.add_image("tempest-1"), "image_ref_alt": admin.add_image("tempest-2"),
                    "flavor_ref": small, "flavor_ref_alt": larger, "region": admin.region,
                    "min_microversion": version["min_version"], "max_microversion": version["version"],
                    "min_compute_nodes": sum(host["state"] == "up" for host in hosts), "build_timeout": 120,
                    "hypervisor_type": hypervisors[0]["hypervisor_type"],
                    "fixed_network_name": admin.get("compute", "/os-networks")["networks"][0]["label"]},
        # A pool of floating addresses is known by its name only.
        "network": {"floating_network_name": pools[0]["name"], "public_network_id": pools[0]["name"]},
        "validation": {"run_validation": False},
        "image": {"region": admin.region},
        "placement": {"region": admin.region,
                      "max_microversion": admin.get("placement", "/")["versions"][0]["max_version"]},
    }


def smallest_flavors(admin: Admin) -> tuple[str, str]:
    """A flavor and one to grow to."""
    small, *flavors = sorted(admin.get("compute", "/flavors/detail")["flavors"],
                             key=lambda f: (f["ram"], f["vcpus"], f["disk"]))
    larger = next(f for f in flavors if f["disk"] >= small["disk"] and f["ram"] > small["ram"])
    return small["id"], larger["id"]
