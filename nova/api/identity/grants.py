# SPDX-License-Identifier: Apache-2.0
"""Giving roles to users and groups on projects, domains and the system; inherited ones under ``OS-INHERIT``.

The same four routes stand for every pair of actor and target, so they are made from the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova.api.identity import views, wire
from nova.identity.manager import Identity
from nova.identity.models import SYSTEM, Assignment
from nova.web.request import Request
from nova.web.routing import Route

_TARGETS = {"projects": "project", "domains": "domain", "system": "system"}
_ACTORS = {"users": "user", "groups": "group"}


def _routes() -> Iterator[Route]:
    for targets, target in _TARGETS.items():
        for actors, actor in _ACTORS.items():
            kind = "system_grant" if target == "system" else "grant"
            place = "" if target == "system" else "/{target_id}"
            path = f"/v3/{targets}{place}/{actors}/{{actor_id}}/roles"
            yield Route("GET", path, "index", rule=f"identity:list_{kind}s",
                        doc=f"List roles of a {actor} on a {target}")
            yield from _one(f"{path}/{{role_id}}", kind, f"role of a {actor} on a {target}")
            if target != "system":
                path = f"/v3/OS-INHERIT/{targets}/{{target_id}}/{actors}/{{actor_id}}/roles"
                yield Route("GET", f"{path}/inherited_to_projects", "index", rule=f"identity:list_{kind}s",
                            doc=f"List roles of a {actor} on the projects below a {target}")
                yield from _one(f"{path}/{{role_id}}/inherited_to_projects", kind,
                                f"role of a {actor} on the projects below a {target}")


def _one(path: str, kind: str, words: str) -> Iterator[Route]:
    yield Route("GET", path, "check", rule=f"identity:check_{kind}", success=204, doc=f"Check a {words}")
    yield Route("PUT", path, "create", rule=f"identity:create_{kind}", success=204, doc=f"Give a {words}")
    yield Route("DELETE", path, "delete", rule=f"identity:revoke_{kind}", success=204, doc=f"Take a {words}")


ROUTES = tuple(_routes())


class GrantController:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def index(self, request: Request) -> dict[str, Any]:
        values = _values(request)
        made = {a.role_id for a in self._identity.assignments.find(**values)}
        roles = [r for r in self._identity.roles.find() if r.id in made]
        return wire.listing(request, "roles", (views.role(request, r) for r in roles))

    def check(self, request: Request) -> None:
        self._identity.assignments.require(_assignment(request))

    def create(self, request: Request) -> None:
        self._identity.assignments.grant(_assignment(request))

    def delete(self, request: Request) -> None:
        self._identity.assignments.revoke(_assignment(request))


def _values(request: Request) -> dict[str, Any]:
    parts = request.environ["PATH_INFO"].strip("/").split("/")[1:]
    inherited = parts[0] == "OS-INHERIT"
    parts = parts[1:] if inherited else parts
    target = _TARGETS[parts[0]]
    return {"actor_type": _ACTORS[parts[1 if target == "system" else 2]], "actor_id": request.match["actor_id"],
            "target_type": target, "target_id": request.match.get("target_id", SYSTEM), "inherited": inherited}


def _assignment(request: Request) -> Assignment:
    return Assignment(**_values(request), role_id=request.match["role_id"])
