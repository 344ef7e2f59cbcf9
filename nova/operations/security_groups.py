# SPDX-License-Identifier: Apache-2.0
"""Security groups as users have them: who sees which, quota, and the servers that are in them.

A group is a row with ``rules``. Methods raise NotFound for groups of other projects, unless an administrator asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext
from nova.db.api import network_queries, security_groups
from nova.networks import documents
from nova.networks import security_groups as library
from nova.operations import refusals
from nova.operations.acceptance import Deps
from nova.operations.network_changes import bring

Group = dict[str, Any]
Rule = dict[str, Any]
MakeRule = Callable[[Mapping[str, Any], Mapping[str, Any]], Rule]
#: What is called with that which was made, in the transaction that makes it.
Tell = Callable[[dict[str, Any]], object]


class SecurityGroups:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    # -- groups --------------------------------------------------------------------------------------------------------

    def list(self, context: RequestContext, *, all_projects: bool = False, **columns: Any) -> Sequence[Group]:
        """The project's groups, ``default`` among them from the first time on, or those of all projects."""
        project = context.project_id or ""
        with self._deps.api.read() as conn:
            known = bool(security_groups.find(conn, project_id=project, name=library.DEFAULT))
        if not known and project:
            self._deps.api.run(lambda conn: library.ensure_default(conn, project))
        with self._deps.api.read() as conn:
            scope = {} if all_projects else {"project_id": project}
            return _with_rules(conn, security_groups.find(conn, **(columns | scope)))

    def get(self, context: RequestContext, uuid: str) -> Group:
        with self._deps.api.read() as conn:
            return _with_rules(conn, [library.get(conn, uuid, _scope(context))])[0]

    def create(self, context: RequestContext, name: str, description: str, project_id: str | None = None,
               tell: Tell = lambda made: None) -> Group:
        project = project_id or context.project_id or ""

        def run(conn: sa.Connection) -> Group:
            default = library.ensure_default(conn, project)
            security_groups.hold(conn, default["uuid"])
            limit = self._deps.quota.limits(conn, project, context.user_id or "")["security_groups"]
            self._deps.quota.check_count("security_groups", limit, security_groups.count(conn, project) + 1)
            made = _with_rules(conn, [library.create(conn, project, name, description)])[0]
            tell(made)
            return made

        return self._deps.api.run(run)

    def update(self, context: RequestContext, uuid: str, values: Mapping[str, Any]) -> Group:
        def run(conn: sa.Connection) -> Group:
            return _with_rules(conn, [library.change(conn, library.get(conn, uuid, _scope(context)), values)])[0]

        group = self._deps.api.run(run)
        bring(self._deps, context)
        return group

    def delete(self, context: RequestContext, uuid: str) -> None:
        """Conflict for ``default`` and for one that a port is in."""
        self._deps.api.run(lambda conn: library.delete(conn, library.get(conn, uuid, _scope(context))))

    # -- rules ---------------------------------------------------------------------------------------------------------

    def rules(self, context: RequestContext, *, all_projects: bool = False, **columns: Any) -> Sequence[Rule]:
        scope = {} if all_projects else {"project_id": context.project_id or ""}
        with self._deps.api.read() as conn:
            return security_groups.find_rules(conn, **(columns | scope))

    def rule(self, context: RequestContext, uuid: str) -> Rule:
        with self._deps.api.read() as conn:
            return _rule(conn, context, uuid)

    def add_rule(self, context: RequestContext, group_uuid: str, wanted: Mapping[str, Any], make: MakeRule, *,
                 source: str | None = None, tell: Tell = lambda made: None) -> Rule:
        """``make`` reads ``wanted`` (see :mod:`nova.networks.security_rules`); ``source`` is the group it names."""
        def run(conn: sa.Connection) -> Rule:
            group = library.get(conn, group_uuid, _scope(context))
            if source is not None:
                library.get(conn, source, _scope(context))
            row = make(group, wanted)
            security_groups.hold(conn, group["uuid"])
            limit = self._deps.quota.limits(conn, group["project_id"])["security_group_rules"]
            there = security_groups.find_rules(conn, group_uuid=group["uuid"], direction=row["direction"])
            self._deps.quota.check_count("security_group_rules", limit, len(there) + 1)
            made = library.add_rule(conn, row)
            tell(made)
            return made

        rule = self._deps.api.run(run)
        bring(self._deps, context)
        return rule

    def delete_rule(self, context: RequestContext, uuid: str) -> None:
        self._deps.api.run(lambda conn: library.delete_rule(conn, _rule(conn, context, uuid)))
        bring(self._deps, context)

    # -- servers -------------------------------------------------------------------------------------------------------

    def of_server(self, context: RequestContext, uuid: str) -> Sequence[Group]:
        """The groups that the server's ports are in; none without ports."""
        self._deps.servers.locate(context, uuid)
        with self._deps.api.read() as conn:
            ports = [port.uuid for port in network_queries.ports_of_server(conn, uuid)]
            joined = documents.memberships(conn, ports).values()
            uuids = {group for membership in joined for group in membership.groups}
            return _with_rules(conn, security_groups.find(conn, uuid=uuids)) if uuids else []

    def add_to_server(self, context: RequestContext, uuid: str, name: str) -> None:
        """All ports of the server join the group."""
        def change(conn: sa.Connection, group: Group, inside: dict[str, bool]) -> None:
            if all(inside.values()):
                raise errors.Invalid(f"Security group {name} is already associated with the instance {uuid}")
            security_groups.hold(conn, group["uuid"])
            security_groups.join(conn, [port for port, there in inside.items() if not there], [group["uuid"]])

        self._change(context, uuid, name, "addSecurityGroup", change)

    def remove_from_server(self, context: RequestContext, uuid: str, name: str) -> None:
        def change(conn: sa.Connection, group: Group, inside: dict[str, bool]) -> None:
            if not security_groups.leave(conn, list(inside), group["uuid"]):
                raise errors.Invalid(f"Security group {name} not associated with the instance {uuid}")

        self._change(context, uuid, name, "removeSecurityGroup", change)

    def _change(self, context: RequestContext, uuid: str, name: str, action: str,
                change: Callable[[sa.Connection, Group, dict[str, bool]], None]) -> None:
        row = refusals.check(self._deps, context, uuid, "change_network", action)

        def run(conn: sa.Connection) -> None:
            group = library.named(conn, row["project_id"], name)
            ports = [port.uuid for port in network_queries.ports_of_server(conn, uuid)]
            if not ports:
                raise errors.NotFound(f"Instance {uuid} has no port that could be in a security group.")
            joined = documents.memberships(conn, ports)
            change(conn, group, {port: group["uuid"] in joined[port].groups for port in ports})
            network_queries.mark(conn, [uuid], documents.version_at(network_queries.now(conn)))

        self._deps.api.run(run)
        bring(self._deps, context, [uuid])


def _scope(context: RequestContext) -> str | None:
    return None if context.is_admin else context.project_id or ""


def _rule(conn: sa.Connection, context: RequestContext, uuid: str) -> Rule:
    for rule in security_groups.find_rules(conn, uuid=uuid):
        if context.is_admin or rule["project_id"] == context.project_id:
            return rule
    raise errors.NotFound(f"Security group rule {uuid} not found.")


def _with_rules(conn: sa.Connection, groups: Sequence[Group]) -> Sequence[Group]:
    """Beside its rules, each group brings ``sources``: the groups that they name, by uuid."""
    uuids = [group["uuid"] for group in groups]
    rules = security_groups.find_rules(conn, group_uuid=uuids) if uuids else []
    named = {rule["remote_group"] for rule in rules} - {None}
    sources = {g["uuid"]: g for g in security_groups.find(conn, uuid=named)} if named else {}
    return [group | {"rules": [r for r in rules if r["group_uuid"] == group["uuid"]], "sources": sources}
            for group in groups]




