# SPDX-License-Identifier: Apache-2.0
"""The list of who has which role where, as made or, with ``effective``, as it works."""

from __future__ import annotations

from typing import Any

from nova.api.identity import wire
from nova.identity.assignments import Effective
from nova.identity.manager import Identity
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

ROUTES = (
    Route("GET", "/v3/role_assignments", "index", rule=ANYONE, doc="List role assignments"),
)
#: Query parameter → what it is about.
_FILTERS = {"user.id": "user", "group.id": "group", "role.id": "role", "scope.project.id": "project",
            "scope.domain.id": "domain"}


class RoleAssignmentController:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def index(self, request: Request) -> dict[str, Any]:
        request.authorize("identity:list_role_assignments", {"user_id": request.arg("user.id")})
        effective = "effective" in request.args and wire.flag(request, "effective")
        found = (self._identity.assignments.effective() if effective
                 else [Effective(a) for a in self._identity.assignments.find()])
        wanted = {about: value for name, about in _FILTERS.items() if (value := request.arg(name))}
        if request.arg("scope.system"):
            wanted["system"] = "all"
        inherited = request.arg("scope.OS-INHERIT:inherited_to") is not None
        kept = [e for e in found if _meets(e, wanted) and (not inherited or e.origin or e.assignment.inherited)]
        names = _Names(self._identity) if wire.flag(request, "include_names") else None
        return wire.listing(request, "role_assignments", (_view(request, e, names) for e in kept))


def _meets(e: Effective, wanted: dict[str, str]) -> bool:
    a = e.assignment
    have = {a.actor_type: a.actor_id, a.target_type: a.target_id, "role": a.role_id}
    if e.group_id:
        have["group"] = e.group_id
    return all(have.get(about) == value for about, value in wanted.items())


class _Names:
    """The names of everything, read once for a list."""

    def __init__(self, identity: Identity) -> None:
        self._domains = {d.id: d.name for d in identity.domains.find()}
        self._roles = {r.id: r for r in identity.roles.find()}
        self._domained = {"user": {u.id: (u.name, u.domain_id) for u in identity.users.find()},
                          "group": {g.id: (g.name, g.domain_id) for g in identity.groups.find()},
                          "project": {p.id: (p.name, p.domain_id) for p in identity.projects.find()}}

    def of(self, kind: str, record_id: str) -> dict[str, Any]:
        if kind == "domain":
            return {"name": self._domains.get(record_id, "")}
        if kind == "role":
            role = self._roles.get(record_id)
            shown: dict[str, Any] = {"name": role.name if role else ""}
            return shown | ({"domain": self._domain(role.domain_id)} if role and role.domain_id else {})
        name, domain_id = self._domained[kind].get(record_id, ("", ""))
        return {"name": name, "domain": self._domain(domain_id)}

    def _domain(self, domain_id: str) -> dict[str, str]:
        return {"id": domain_id, "name": self._domains.get(domain_id, "")}


def _view(request: Request, e: Effective, names: _Names | None) -> dict[str, Any]:
    def record(kind: str, record_id: str) -> dict[str, Any]:
        return {"id": record_id, **(names.of(kind, record_id) if names else {})}

    a = e.assignment
    scope: dict[str, Any] = ({"system": {"all": True}} if a.target_type == "system"
                             else {a.target_type: record(a.target_type, a.target_id)})
    if a.inherited or e.origin:
        scope["OS-INHERIT:inherited_to"] = "projects"
    return {"role": record("role", a.role_id), a.actor_type: record(a.actor_type, a.actor_id), "scope": scope,
            "links": _links(request, e)}


def _links(request: Request, e: Effective) -> dict[str, str]:
    """Where the assignment was made, and the membership or prior role through which it works."""
    a = e.assignment
    actor = f"groups/{e.group_id}" if e.group_id else f"{a.actor_type}s/{a.actor_id}"
    target_type, target_id = e.origin or (a.target_type, a.target_id)
    target = "system" if target_type == "system" else f"{target_type}s/{target_id}"
    prefix, suffix = ("OS-INHERIT/", "/inherited_to_projects") if e.origin or a.inherited else ("", "")
    role = e.prior_role_id or a.role_id
    links = {"assignment": request.link(f"v3/{prefix}{target}/{actor}/roles/{role}{suffix}")}
    if e.group_id:
        links["membership"] = request.link(f"v3/groups/{e.group_id}/users/{a.actor_id}")
    if e.prior_role_id:
        links["prior_role"] = request.link(f"v3/prior_role/{e.prior_role_id}/implies/{a.role_id}")
    return links
