# SPDX-License-Identifier: Apache-2.0
"""Absolute limits of a project with what it uses. Rate limits went long ago; their list stays empty."""

from __future__ import annotations

from typing import Any

from nova.api.compute import schemas
from nova.db.api import floating_ips, security_groups, server_groups
from nova.db.engine import Database
from nova.quota import Quota
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_QUERY = {"reserved": schemas.TEXT, "tenant_id": schemas.TEXT}
ROUTES = (
    Route("GET", "/limits", "index", rule="os_compute_api:limits", doc="Limits and usage",
          query=(("2.1", "2.74", query(_QUERY)), ("2.75", None, query(_QUERY, strict=True)))),
)
_NAMES = {"cores": "maxTotalCores", "injected_files": "maxPersonality",
          "injected_file_content_bytes": "maxPersonalitySize", "instances": "maxTotalInstances",
          "key_pairs": "maxTotalKeypairs", "metadata_items": "maxServerMeta", "ram": "maxTotalRAMSize",
          "server_groups": "maxServerGroups", "server_group_members": "maxServerGroupMembers"}
_NETWORK = {"floating_ips": "maxTotalFloatingIps", "security_groups": "maxSecurityGroups",
            "security_group_rules": "maxSecurityGroupRules"}


class Limits:
    """Handler of :data:`ROUTES`."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota

    def index(self, request: Request) -> dict[str, Any]:
        project = request.context.project_id or ""
        other = request.arg("tenant_id")
        if other is not None:
            request.authorize("os_compute_api:limits:other_project", {"project_id": other})
            project = other
        with self._database.read() as conn:
            limits = self._quota.limits(conn, project)
            used = self._quota.usages(conn, project) | {"server_groups": server_groups.count(conn, project)}
            if request.version < (2, 36):
                used |= {"floating_ips": floating_ips.held(conn, project_id=project),
                         "security_groups": security_groups.count(conn, project)}
        return {"limits": {"rate": [], "absolute": _absolute(request, limits, used)}}


def _absolute(request: Request, limits: dict[str, int], used: dict[str, int]) -> dict[str, int]:
    version = request.version
    values = {name: limits[resource] for resource, name in _NAMES.items()}
    if version >= (2, 57):
        del values["maxPersonality"], values["maxPersonalitySize"]
    if version < (2, 39):
        values["maxImageMeta"] = limits["metadata_items"]
    if version < (2, 36):
        values |= {name: limits[resource] for resource, name in _NETWORK.items()}
        values |= {"totalFloatingIpsUsed": used["floating_ips"], "totalSecurityGroupsUsed": used["security_groups"]}
    return values | {"totalRAMUsed": used["ram"], "totalCoresUsed": used["cores"],
                     "totalInstancesUsed": used["instances"], "totalServerGroupsUsed": used["server_groups"]}
