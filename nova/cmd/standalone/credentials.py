# SPDX-License-Identifier: Apache-2.0
"""Passwords of a standalone cloud, and the files with which clients find it."""

from __future__ import annotations

import json
import secrets
import shlex

import yaml

from nova.cmd.standalone.state import StateDir, write

USERS = ("admin", "demo", "nova")


def passwords(state: StateDir) -> dict[str, str]:
    """Random ones, made at the first start and then kept."""
    if not state.passwords.exists():
        made = {user: secrets.token_urlsafe(18) for user in USERS}
        write(state.passwords, json.dumps(made, indent=1) + "\n")
    found: dict[str, str] = json.loads(state.passwords.read_text())
    return found


def write_clients(state: StateDir, base_url: str, region: str) -> None:
    """``clouds.yaml`` with the clouds admin and demo, and ``openrc`` for the one that is named when it is sourced."""
    known = passwords(state)
    clouds = {name: {"auth": {"auth_url": f"{base_url}/identity/v3", "username": name, "password": known[name],
                              "project_name": name, "user_domain_name": "Default", "project_domain_name": "Default"},
                     "region_name": region, "identity_api_version": 3, "interface": "public"}
              for name in ("admin", "demo")}
    write(state.clouds, yaml.safe_dump({"clouds": clouds}, sort_keys=False))
    write(state.openrc, f"# . {state.openrc} [admin|demo]\n"
                        f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(state.clouds))}\n"
                        "export OS_CLOUD=${1:-demo}\n")
