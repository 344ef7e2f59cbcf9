# SPDX-License-Identifier: Apache-2.0
"""Security groups of a project: the group ``default``, names, membership, all in the caller's transaction.

Rules are checked in :mod:`nova.networks.security_rules`; quota and who may do what belong to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova import concurrency, errors
from nova.db.api import network_queries as queries
from nova.db.api import security_groups as table
from nova.networks import documents

DEFAULT = "default"
Group = dict[str, Any]


def membership(conn: sa.Connection, project_id: str, names: Sequence[str]) -> documents.Membership:
    """The groups of these names (or uuids) with what they let in. Raises :class:`errors.NotFound` for one missing."""
    found = documents.Membership()
    for row in table.with_rules(conn, project_id, names):
        found.add(row)
    missing = [n for n in names if n not in found.groups and n not in found.groups.values()]
    if DEFAULT in missing:
        ensure_default(conn, project_id)
        return membership(conn, project_id, names)
    if missing:
        raise errors.NotFound(f"Security group {missing[0]} not found for project {project_id}.")
    return found


def find(conn: sa.Connection, project_id: str, wanted: Sequence[str]) -> list[str]:
    """The names of groups that are named by name or uuid; :class:`errors.NotFound`. ``default`` is always there."""
    rows = table.find(conn, project_id=project_id)
    by_ref = {row["uuid"]: row["name"] for row in rows} | {row["name"]: row["name"] for row in rows}
    by_ref[DEFAULT] = DEFAULT
    for ref in wanted:
        if ref not in by_ref:
            raise errors.NotFound(f"Security group {ref} not found for project {project_id}.")
    return [by_ref[ref] for ref in wanted]


def ensure_default(conn: sa.Connection, project_id: str) -> Group:
    """The project's group that always is there; its members let each other in."""
    for group in table.find(conn, project_id=project_id, name=DEFAULT):
        return group
    try:
        with conn.begin_nested():
            group = _insert(conn, project_id, DEFAULT, "Default security group")
            table.insert_rules(conn, [_open(group, "ingress", ethertype, group["uuid"])
                                      for ethertype in ("IPv4", "IPv6")])
    except exc.IntegrityError:  # somebody else made it at this very moment
        group = table.find(conn, project_id=project_id, name=DEFAULT)[0]
    return group


def create(conn: sa.Connection, project_id: str, name: str, description: str) -> Group:
    """A new group whose members may send everything; Conflict when the project has one of that name."""
    ensure_default(conn, project_id)
    _refuse_twin(conn, project_id, name)
    return _insert(conn, project_id, name, description)


def _insert(conn: sa.Connection, project_id: str, name: str, description: str) -> Group:
    group = {"uuid": concurrency.uuid4(), "project_id": project_id, "name": name, "description": description}
    table.insert(conn, group)
    table.insert_rules(conn, [_open(group, "egress", ethertype, None) for ethertype in ("IPv4", "IPv6")])
    return table.find(conn, uuid=group["uuid"])[0]


def _open(group: Mapping[str, Any], direction: str, ethertype: str, remote: str | None) -> dict[str, Any]:
    return {"uuid": concurrency.uuid4(), "group_uuid": group["uuid"], "project_id": group["project_id"],
            "direction": direction, "ethertype": ethertype, "protocol": None, "port_min": None, "port_max": None,
            "remote_cidr": None, "remote_group": remote, "description": ""}


def _refuse_twin(conn: sa.Connection, project_id: str, name: str) -> None:
    if table.find(conn, project_id=project_id, name=name):
        raise errors.Conflict(f"Security group {name} already exists for project {project_id}.")


def get(conn: sa.Connection, uuid: str, project_id: str | None) -> Group:
    """The group, if the project may see it (None: whoever has it); :class:`errors.NotFound`."""
    for group in table.find(conn, uuid=uuid):
        if project_id is None or group["project_id"] == project_id:
            return group
    raise errors.NotFound(f"Security group {uuid} not found.")


def named(conn: sa.Connection, project_id: str, name: str) -> Group:
    """The project's group with this name, or else this uuid; :class:`errors.NotFound`."""
    if name == DEFAULT:
        return ensure_default(conn, project_id)
    for column in ("name", "uuid"):
        for group in table.find(conn, project_id=project_id, **{column: name}):
            return group
    raise errors.NotFound(f"Security group {name} not found for project {project_id}.")


def change(conn: sa.Connection, group: Group, values: Mapping[str, Any]) -> Group:
    """Set name and description. The name of ``default`` stays."""
    name = values.get("name", group["name"])
    if name != group["name"]:
        if group["name"] == DEFAULT:
            raise errors.Invalid("The security group 'default' cannot be renamed.")
        _refuse_twin(conn, group["project_id"], name)
        tell_members(conn, group["uuid"])
    table.update(conn, group["uuid"], dict(values))
    return table.find(conn, uuid=group["uuid"])[0]


def delete(conn: sa.Connection, group: Group) -> None:
    """Conflict while a port is in it, and for ``default`` always."""
    if group["name"] == DEFAULT:
        raise errors.Conflict("The security group 'default' cannot be removed.")
    table.hold(conn, group["uuid"])
    if table.in_use(conn, group["uuid"]):
        raise errors.Conflict(f"Security group {group['uuid']} is in use.")
    table.delete(conn, group["uuid"])


def add_rule(conn: sa.Connection, rule: Mapping[str, Any]) -> dict[str, Any]:
    """Write a rule that was checked; Conflict when the group has the same one."""
    same = {k: v for k, v in rule.items() if k not in ("description",)}
    for twin in table.find_rules(conn, **same):
        raise errors.Conflict(f"Security group rule already exists. Rule id is {twin['uuid']}.")
    row = {"uuid": concurrency.uuid4(), **rule}
    table.insert_rules(conn, [row])
    tell_members(conn, rule["group_uuid"])
    return table.find_rules(conn, uuid=row["uuid"])[0]


def delete_rule(conn: sa.Connection, rule: Mapping[str, Any]) -> None:
    table.delete_rule(conn, rule["uuid"])
    tell_members(conn, rule["group_uuid"])


def tell_members(conn: sa.Connection, group_uuid: str) -> None:
    table.mark_members(conn, group_uuid, documents.version_at(queries.now(conn)))


def put_ports(conn: sa.Connection, port_uuids: Sequence[str], group_uuids: Iterable[str]) -> None:
    """These ports are in exactly these groups from now on."""
    wanted = list(dict.fromkeys(group_uuids))
    for uuid in wanted:
        if not table.hold(conn, uuid):
            raise errors.NotFound(f"Security group {uuid} not found.")
    table.leave(conn, port_uuids)
    table.join(conn, port_uuids, wanted)


def hold(conn: sa.Connection, group: Group) -> None:
    """Nobody else changes the group, nor what is counted under it, until the end of the transaction."""
    table.hold(conn, group["uuid"])
