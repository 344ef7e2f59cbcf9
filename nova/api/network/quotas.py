# SPDX-License-Identifier: Apache-2.0
"""``/v2.0/quotas``: limits of networks, the same that the Compute API shows to old clients. Others have no limit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.api.network import schemas as s
from nova.db.api import floating_ips, security_groups
from nova.db.api import quotas as table
from nova.db.engine import Database
from nova.quota import UNLIMITED, Quota
from nova.web.request import Request
from nova.web.routing import Resource, Route

_PATH = "/v2.0/quotas"
_LIMITED = {"floatingip": "floating_ips", "security_group": "security_groups",
            "security_group_rule": "security_group_rules"}
_OTHERS = ("network", "subnet", "subnetpool", "port", "router", "rbac_policy")
_HOW = {"check_limit": s.BOOLEAN, "force": s.BOOLEAN}
_UPDATE = s.wrapped("quota", s.PROJECT | _HOW | dict.fromkeys((*_LIMITED, *_OTHERS), s.LIMIT))
ROUTES = (
    Route("GET", _PATH, "index", rule="update_quota", doc="List quotas that differ from the default"),
    Route("GET", _PATH + "/{id}", "show", rule="get_quota", doc="Show quotas of a project"),
    Route("GET", _PATH + "/{id}/default", "defaults", rule="get_quota", doc="Show default quotas"),
    Route("GET", _PATH + "/{id}/details", "details", rule="get_quota", doc="Show quotas with usage"),
    Route("PUT", _PATH + "/{id}", "update", rule="update_quota", body=_UPDATE, doc="Change quotas"),
    Route("DELETE", _PATH + "/{id}", "delete", rule="delete_quota", success=204, doc="Back to the defaults"),
)


class QuotaController:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota

    def index(self, request: Request) -> dict[str, Any]:
        q = table.quotas.c
        with self._database.read() as conn:
            projects = conn.execute(sa.select(q.project_id).where(
                q.user_id == "", q.resource.in_(_LIMITED.values())).distinct()).scalars().all()
            return {"quotas": [self._limits(conn, project) | {"project_id": project, "tenant_id": project}
                               for project in sorted(projects)]}

    def show(self, request: Request) -> dict[str, Any]:
        with self._database.read() as conn:
            return {"quota": self._limits(conn, self._project(request, "get_quota"))}

    def defaults(self, request: Request) -> dict[str, Any]:
        with self._database.read() as conn:
            return {"quota": _named(self._quota.class_limits(conn))}

    def details(self, request: Request) -> dict[str, Any]:
        project = self._project(request, "get_quota")
        with self._database.read() as conn:
            limits, used = self._limits(conn, project), _used(conn, project)
        return {"quota": {name: {"limit": limit, "used": used.get(name, 0), "reserved": 0}
                          for name, limit in limits.items()}}

    def update(self, request: Request) -> dict[str, Any]:
        project = self._project(request, "update_quota")
        body = request.body_json["quota"]
        wanted = {name: int(limit) for name, limit in body.items() if name in _LIMITED}
        with self._database.write() as conn:
            if s.is_true(body.get("check_limit")):
                for name, used in _used(conn, project).items():
                    if 0 <= wanted.get(name, UNLIMITED) < used:
                        raise errors.Invalid(f"Quota limit {wanted[name]} for {name} is less than the {used} in use.")
            table.set_limits(conn, project, "", {_LIMITED[name]: limit for name, limit in wanted.items()})
            return {"quota": self._limits(conn, project)}

    def delete(self, request: Request) -> None:
        q, project = table.quotas, self._project(request, "delete_quota")
        with self._database.write() as conn:
            conn.execute(q.delete().where(q.c.project_id == project, q.c.resource.in_(_LIMITED.values())))

    def _limits(self, conn: sa.Connection, project: str) -> dict[str, int]:
        return _named(self._quota.limits(conn, project))

    @staticmethod
    def _project(request: Request, rule: str) -> str:
        project = request.match["id"]
        request.authorize(rule, {"project_id": project})
        return project


def _used(conn: sa.Connection, project: str) -> dict[str, int]:
    return {"floatingip": floating_ips.held(conn, project_id=project),
            "security_group": security_groups.count(conn, project),
            "security_group_rule": len(security_groups.find_rules(conn, project_id=project))}


def _named(limits: dict[str, int]) -> dict[str, int]:
    return dict.fromkeys(_OTHERS, UNLIMITED) | {name: limits[resource] for name, resource in _LIMITED.items()}


def resource(database: Database, quota: Quota) -> Resource:
    return Resource(ROUTES, QuotaController(database, quota))
