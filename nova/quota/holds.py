# SPDX-License-Identifier: Apache-2.0
"""What an operation that may make a server bigger holds of its project's quota, from its acceptance to its end.

The mapping's ``charge`` is what the server is charged with altogether; ``holds`` tells which part of it belongs to
which operation. So every change can be repeated, and what an operation that never came to be has left is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.quota import Quota


def charge_of(flavor: Mapping[str, Any]) -> dict[str, int]:
    """What a server of this flavor is charged with."""
    return {"instances": 1, "cores": flavor["vcpus"], "ram": flavor["memory_mb"]}


def hold(conn: sa.Connection, quota: Quota, instance_uuid: str, operation: str, wanted: Mapping[str, int]) -> None:
    """Charge what ``wanted`` exceeds the server's own charge by, for the operation. A server that is not charged at all
    is not charged more. Raises OverQuota."""
    row = mappings.held_mapping(conn, instance_uuid)
    if row is None or row["charge"] is None:
        return
    holds: dict[str, dict[str, int]] = dict(row["holds"] or {})
    own = _own(row)
    more = {r: n - own.get(r, 0) for r, n in wanted.items() if n > own.get(r, 0)}
    if operation in holds or not more:
        return
    quota.charge(conn, row["project_id"], more, user_id=row["user_id"])
    mappings.set_charge(conn, instance_uuid, _sum(row["charge"], more), holds | {operation: more})


def settle(conn: sa.Connection, instance_uuid: str, operation: str, charge: Mapping[str, int] | None = None) -> None:
    """The operation is over: its hold goes. With ``charge`` that is what the server itself is charged with from now
    on; without, that stays as it was before. The caller holds the server's fence."""
    row = mappings.held_mapping(conn, instance_uuid)
    if row is None or row["charge"] is None:
        return
    holds: dict[str, dict[str, int]] = dict(row["holds"] or {})
    if operation not in holds and charge is None:
        return
    own = dict(charge) if charge is not None else _own(row)
    holds.pop(operation, None)
    total = _sum(own, *holds.values())
    less = {r: n - total.get(r, 0) for r, n in row["charge"].items() if n > total.get(r, 0)}
    quotas.release(conn, row["project_id"], less)
    mappings.set_charge(conn, instance_uuid, {r: min(n, row["charge"].get(r, 0)) for r, n in total.items()}, holds)


def is_held(conn: sa.Connection, instance_uuid: str, wanted: Mapping[str, int]) -> bool:
    """Is the server, if it is charged at all, charged with at least so much?"""
    row = mappings.mapping(conn, instance_uuid)
    charge: dict[str, int] | None = row["charge"] if row else None
    return charge is None or all(charge.get(r, 0) >= n for r, n in wanted.items())


def _own(row: Mapping[str, Any]) -> dict[str, int]:
    """The server's charge without what operations hold."""
    own = dict(row["charge"])
    for part in (row["holds"] or {}).values():
        own = {r: n - part.get(r, 0) for r, n in own.items()}
    return own


def _sum(first: Mapping[str, int], *others: Mapping[str, int]) -> dict[str, int]:
    total = dict(first)
    for other in others:
        total = {r: total.get(r, 0) + other.get(r, 0) for r in (*total, *(o for o in other if o not in total))}
    return total
