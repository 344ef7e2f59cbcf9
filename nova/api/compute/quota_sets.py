# SPDX-License-Identifier: Apache-2.0
"""Quotas of projects, and of single users in them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.api.compute import quota_views, schemas
from nova.api.compute.numbers import to_int
from nova.api.compute.projects import Projects
from nova.db.api import floating_ips, security_groups, server_groups
from nova.db.api import quotas as table
from nova.db.engine import Database
from nova.quota import UNLIMITED, Quota
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query
from nova.web.versions import Version

LIMIT: schemas.Schema = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "minimum": -1,
                         "maximum": schemas.MAX_INT, "minLength": 1, "maxLength": 11}


def _update(minor: int) -> schemas.Schema:
    members: schemas.Schema = {name: LIMIT for name in quota_views.settable(Version(2, minor))}
    return schemas.wrapped("quota_set", schemas.object_of(members | {"force": schemas.BOOLEAN}))


UPDATE = (("2.1", "2.35", _update(1)), ("2.36", "2.56", _update(36)), ("2.57", None, _update(57)))
_OF_USER = {"user_id": schemas.TEXT}
READ = (("2.1", "2.74", query(_OF_USER)), ("2.75", None, query(_OF_USER, strict=True)))

_RULE = "os_compute_api:os-quota-sets:"
# Each rule is asked twice: by the front for the caller's own project, by the handler for the project in the path.
ROUTES = (
    Route("GET", "/os-quota-sets/{id}", "show", rule=_RULE + "show", query=READ, doc="Quotas of a project"),
    Route("GET", "/os-quota-sets/{id}/detail", "detail", rule=_RULE + "detail", query=READ, doc="Quotas with usage"),
    Route("GET", "/os-quota-sets/{id}/defaults", "defaults", rule=_RULE + "defaults", doc="Default quotas"),
    Route("PUT", "/os-quota-sets/{id}", "update", rule=_RULE + "update", body=UPDATE, query=READ, doc="Change quotas"),
    Route("DELETE", "/os-quota-sets/{id}", "delete", rule=_RULE + "delete", query=READ, success=202,
          doc="Back to the defaults"),
)


class QuotaSets:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, quota: Quota, projects: Projects) -> None:
        self._database = database
        self._quota = quota
        self._projects = projects

    def show(self, request: Request) -> dict[str, Any]:
        project = self._project(request, "show")
        with self._database.read() as conn:
            limits = self._quota.limits(conn, project, request.arg("user_id") or "")
        return {"quota_set": {"id": project, **_chosen(request, limits)}}

    def detail(self, request: Request) -> dict[str, Any]:
        project = self._project(request, "detail")
        with self._database.read() as conn:
            limits = self._quota.limits(conn, project, request.arg("user_id") or "")
            used = self._used(conn, project, request.arg("user_id") or "")
        shown = {name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
                 for name, limit in _chosen(request, limits).items()}
        return {"quota_set": {"id": project, **shown}}

    def defaults(self, request: Request) -> dict[str, Any]:
        project = self._project(request, "defaults")
        with self._database.read() as conn:
            limits = self._quota.class_limits(conn)
        return {"quota_set": {"id": project, **_chosen(request, limits)}}

    def update(self, request: Request) -> dict[str, Any]:
        project = self._project(request, "update")
        user = request.arg("user_id") or ""
        wanted = dict(request.body_json["quota_set"])
        forced = schemas.is_true(wanted.pop("force", False))
        values = {name: to_int(limit, name, -1) for name, limit in wanted.items()}
        kept = {name: limit for name, limit in values.items() if name != "networks"}
        with self._database.write() as conn:
            if not forced:
                self._check(conn, project, user, kept)
            table.set_limits(conn, project, user, kept)
            limits = self._quota.limits(conn, project, user)
        return {"quota_set": _chosen(request, limits)}

    def delete(self, request: Request) -> None:
        project = self._allowed(request, "delete")  # also of one that the identity service has forgotten
        with self._database.write() as conn:
            table.clear_limits(conn, project, request.arg("user_id"))

    def _project(self, request: Request, action: str) -> str:
        project = self._allowed(request, action)
        self._projects.require(project)
        return project

    @staticmethod
    def _allowed(request: Request, action: str) -> str:
        project = request.match["id"]
        request.authorize(_RULE + action, {"project_id": project, "user_id": request.context.user_id})
        return project

    def _used(self, conn: sa.Connection, project: str, user: str) -> dict[str, int]:
        """Of a project, or of one user; addresses and security groups belong to no user."""
        if user:
            return self._quota.usages(conn, project, user) | {
                "server_groups": server_groups.count(conn, project, user)}
        return self._quota.usages(conn, project) | {
            "floating_ips": floating_ips.held(conn, project_id=project),
            "security_groups": security_groups.count(conn, project),
            "server_groups": server_groups.count(conn, project)}

    def _check(self, conn: sa.Connection, project: str, user: str, values: dict[str, int]) -> None:
        """A limit is not set below what is used already or promised to users, nor those of users above the project's
        together."""
        used, promised = self._used(conn, project, user), table.limits_of_users(conn, project, besides=user)
        above = self._quota.limits(conn, project) if user else {}
        for name, limit in values.items():
            least = used.get(name, 0) if user else max(used.get(name, 0), promised.get(name, 0))
            if limit != UNLIMITED and limit < least:
                raise errors.Invalid(f"Quota limit {limit} for {name} must be greater than or equal to already used "
                                     f"and reserved {least}.")
            ceiling = above.get(name, UNLIMITED)
            if ceiling != UNLIMITED:
                ceiling = max(0, ceiling - promised.get(name, 0))
            if ceiling != UNLIMITED and (limit == UNLIMITED or limit > ceiling):
                raise errors.Invalid(f"Quota limit {limit} for {name} must be less than or equal to {ceiling}.")


def _chosen(request: Request, limits: dict[str, int]) -> dict[str, int]:
    return {name: limits.get(name, UNLIMITED) for name in quota_views.shown(request.version)}
