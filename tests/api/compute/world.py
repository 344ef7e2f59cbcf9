# SPDX-License-Identifier: Apache-2.0
"""A cloud with one of everything that a path can name, and for every route a path and a body that make sense."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from nova.networks import floating_ips
from nova.web.openapi import at
from nova.web.routing import Route
from nova.web.versions import Version, parse
from tests.api.compute import networked
from tests.api.compute.bodies import UUID, smallest
from tests.api.compute.conftest import IMAGE, PROJECTS, Api
from tests.api.compute.test_migrations import moved

KEY = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5PQ1lAPJ2sJbYNBN2ZSTRXF9M1cBHQNqPFCz6cXmAW someone")
NEWEST = parse("2.104")

#: Bodies that follow from the path.
_WHOLE: dict[str, Any] = {"PUT /flavors/{flavor_id}/os-extra_specs/{id}": {"spec": "2"},
                          "PUT /servers/{server_id}/metadata/{id}": {"meta": {"key": "other"}}}


class World:
    """Everything belongs to the project ``demo``; the key pair to the user ``u-demo``."""

    def __init__(self, api: Api) -> None:
        self._api = api
        network = networked.network(api)
        with api.database.write() as conn:
            floating_ips.add_range(conn, floating_ips.create_pool(conn, "public"), "192.0.2.0/29")
        self.server = networked.server(api, tags=["tag"], metadata={"key": "value"}, host="host1", op_seq=1)
        self._moving = networked.server(api, host="host1", op_seq=1)
        moved(api, self._moving, "live-migration", at=1.0, state="open", status="running")
        moved(api, self.server, "stop", at=1.0)
        self._ids = self._make(network)
        self._files = [sqlite3.connect(str(d.url.database), isolation_level=None, check_same_thread=False)
                       for d in (api.database, api.cell, api.cell0)]
        self._kept: list[sqlite3.Connection] = []
        self.keep()

    def _make(self, network: str) -> dict[str, str]:
        """Path, from its beginning on → value of its last variable."""
        def made(path: str, body: Any, name: str, who: str = "demo", version: str = "2.1", id: str = "id") -> str:
            answer = self._api("POST", path, body, who=who, version=version)
            assert answer.status < 300, (path, answer)
            return str(answer.body[name][id])

        flavor = made("/flavors", {"flavor": {"name": "own", "ram": 64, "vcpus": 1, "disk": 1,
                                              "os-flavor-access:is_public": False}}, "flavor", "admin")
        self._api("POST", f"/flavors/{flavor}/os-extra_specs", {"extra_specs": {"spec": "1"}}, who="admin")
        for name in ("demo", "other", "reader", "manager", "service"):
            access = {"addTenantAccess": {"tenant": PROJECTS[name]}}
            self._api("POST", f"/flavors/{flavor}/action", access, who="admin")
        aggregate = made("/os-aggregates", {"aggregate": {"name": "own"}}, "aggregate", "admin")
        self._api("POST", f"/os-aggregates/{aggregate}/action", {"add_host": {"host": "host2"}}, who="admin")
        group = made("/os-security-groups", {"security_group": {"name": "own", "description": ""}}, "security_group")
        rule = made("/os-security-group-rules", {"security_group_rule": {
            "parent_group_id": group, "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "10.0.0.0/8"}},
            "security_group_rule")
        self._group = group
        ask = self._api("GET", f"/servers/{self.server}/os-interface").body["interfaceAttachments"]
        action = self._api("GET", f"/servers/{self.server}/os-instance-actions").body["instanceActions"]
        migration = self._api("GET", "/os-migrations", who="admin", version="2.23").body["migrations"]
        services = self._api("GET", "/os-services", who="admin", version="2.53").body["services"]
        nodes = self._api("GET", "/os-hypervisors", who="admin", version="2.53").body["hypervisors"]
        return {
            "/flavors/{id}": flavor, "/flavors/{flavor_id}": flavor, "/flavors/{flavor_id}/os-extra_specs/{id}": "spec",
            "/os-aggregates/{id}": aggregate, "/os-security-groups/{id}": group, "/os-security-group-rules/{id}": rule,
            "/os-keypairs/{id}": made("/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}}, "keypair",
                                      id="name"),
            "/os-server-groups/{id}": made("/os-server-groups", {"server_group": {
                "name": "g", "policies": ["affinity"]}}, "server_group"),
            "/os-floating-ips/{id}": made("/os-floating-ips", {"pool": "public"}, "floating_ip"),
            "/os-networks/{id}": network, "/os-tenant-networks/{id}": network, "/os-hosts/{id}": "host1",
            "/os-quota-sets/{id}": PROJECTS["demo"], "/os-simple-tenant-usage/{id}": PROJECTS["demo"],
            "/os-quota-class-sets/{id}": "default", "/extensions/{id}": "os-keypairs", "/versions/{id}": "v2.1",
            "/os-instance_usage_audit_log/{id}": "2026-01-01 00:00:00", "/os-services/{id}": services[0]["id"],
            "/os-hypervisors/{id}": nodes[0]["id"], "/servers/{server_id}": self.server, "/servers/{id}": self.server,
            "/os-volumes_boot/{id}": self.server, "/servers/{server_id}/metadata/{id}": "key",
            "/servers/{server_id}/ips/{id}": "private", "/servers/{server_id}/tags/{id}": "tag",
            "/servers/{server_id}/os-interface/{id}": ask[0]["port_id"],
            "/servers/{server_id}/os-instance-actions/{id}": action[0]["request_id"],
            "/servers/{server_id}/migrations/{id}": next(str(m["id"]) for m in migration
                                                         if m["instance_uuid"] == self._moving)}

    def path(self, route: Route, version: Version) -> str:
        """The route's path with things of this cloud in it; what the cloud does not have is a UUID."""
        given = iter(self.variables(route.path, version).values())
        return re.sub(r"{[^}]+}", lambda _: next(given), route.path)

    def variables(self, template: str, version: Version = NEWEST) -> dict[str, str]:
        """A value for each variable of a path."""
        found = {name[0].strip("{}"): self._value(template[:name.end()], version)
                 for name in re.finditer(r"{[^}]+}", template)}
        if template.startswith("/servers/{server_id}/migrations/{id}"):
            found["server_id"] = self._moving
        return found

    def _value(self, template: str, version: Version) -> str:
        if template == "/os-hypervisors/{id}" and version < (2, 53):
            return "1"
        return self._ids.get(template, UUID)

    def body(self, route: Route, version: Version) -> Any:
        """The smallest body that the route takes; what must exist for it to make sense does."""
        schema = at(route.body, version)
        if route.method not in ("POST", "PUT"):
            return None
        if schema is None:
            return {route.action: None} if route.action else None
        whole = _WHOLE.get(route.template)
        made = whole if whole is not None else smallest(schema)
        for name, value in self._better(route, version).items():
            inner = next(iter(made.values())) if isinstance(made, dict) and made else None
            if isinstance(inner, dict):
                inner[name] = value
        return made

    def _better(self, route: Route, version: Version) -> dict[str, Any]:
        template = route.template.replace("/os-volumes_boot", "/servers")
        networks = {"networks": "none"} if version >= (2, 37) else {}
        found: dict[str, dict[str, Any]] = {
            "POST /servers": {"imageRef": IMAGE, "flavorRef": "2", **networks},
            "POST /servers/{id}/action rebuild": {"imageRef": IMAGE},
            "POST /servers/{id}/action addSecurityGroup": {"name": "own"},
            "POST /servers/{id}/action removeSecurityGroup": {"name": "default"},
            "POST /servers/{id}/action os-migrateLive": {"host": None},
            "POST /servers/{id}/action resize": {"flavorRef": "3"},
            "POST /flavors/{flavor_id}/action addTenantAccess": {"tenant": PROJECTS["admin"]},
            "POST /flavors/{flavor_id}/action removeTenantAccess": {"tenant": PROJECTS["demo"]},
            "POST /flavors/{flavor_id}/os-extra_specs": {"other": "2"},
            "POST /os-aggregates/{id}/action add_host": {"host": "host1"},
            "POST /os-aggregates/{id}/action remove_host": {"host": "host2"},
            "POST /os-keypairs": {"name": "new", "public_key": KEY},
            "POST /os-server-groups": {"name": "new"},
            "POST /os-security-groups": {"name": "new", "description": ""},
            "PUT /os-security-groups/{id}": {"name": "newer", "description": ""},
            "POST /os-security-group-rules": {"parent_group_id": self._group, "ip_protocol": "udp", "from_port": 1,
                                              "to_port": 2, "cidr": "10.0.0.0/8"},
        }
        return found.get(template, {})

    def keep(self) -> None:
        """Remember how everything is now."""
        self._kept = []
        for file in self._files:
            copy = sqlite3.connect(":memory:", check_same_thread=False)
            file.backup(copy)
            self._kept.append(copy)

    def restore(self) -> None:
        """Make everything as it was."""
        for file, copy in zip(self._files, self._kept, strict=True):
            copy.backup(file)

    def stamp(self) -> list[int]:
        """Differs when anything was written since the last."""
        return [file.execute("PRAGMA data_version").fetchone()[0] for file in self._files]

    def close(self) -> None:
        for file in (*self._files, *self._kept):
            file.close()


def latest(route: Route) -> Version:
    """The newest microversion at which the route is served."""
    return parse((route.versions or ("2.1", None))[1] or "2.104")


def earliest(route: Route) -> Version:
    return parse((route.versions or ("2.1", None))[0])
