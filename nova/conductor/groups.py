# SPDX-License-Identifier: Apache-2.0
"""Server groups at the moment of the claim: the scheduler's view may be behind, the group's row is not."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.db.api import server_groups
from nova.placement import claims

STRICT = ("affinity", "anti-affinity")


class GroupRule:
    """Where a new member of the request's group may go. Making one holds the group for the rest of the transaction, so
    that two claims see one another; without a group, or with a policy that only prefers, everything is allowed."""

    def __init__(self, conn: sa.Connection, spec: dict[str, Any], instance_uuid: str) -> None:
        group = spec.get("group")
        self._policy = group["policy"] if group else ""
        self._limit = int((group or {}).get("rules", {}).get("max_server_per_host", 1)) if group else 0
        self._there: dict[str, int] = {}
        if group and self._policy in STRICT and server_groups.touch(conn, group["uuid"]):
            members = set(server_groups.members_of(conn, [group["uuid"]]).get(group["uuid"], [])) - {instance_uuid}
            for provider in claims.providers_of(conn, members).values():
                self._there[provider] = self._there.get(provider, 0) + 1

    def refuses(self, provider_uuid: str) -> str | None:
        """Why not this host, or None."""
        if self._policy == "affinity" and self._there and provider_uuid not in self._there:
            return "The group's members are on another host."
        if self._policy == "anti-affinity" and self._there.get(provider_uuid, 0) >= self._limit:
            return f"{self._there[provider_uuid]} of at most {self._limit} members of the group are there."
        return None
