# SPDX-License-Identifier: Apache-2.0
"""Exact quota: which limits hold for a project, and charging what it uses within the caller's transaction.

    quota.charge(conn, context.project_id, {"instances": 1, "cores": 2, "ram": 512}, user_id=context.user_id)
    quota.release(conn, project_id, charge)

A charge that would pass a limit raises :class:`errors.OverQuota`; the caller's transaction must then roll back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from nova import errors
from nova.conf import quota as options
from nova.db.api import cells as mappings
from nova.db.api import quotas as table

UNLIMITED = table.UNLIMITED

#: Resources with a limit of ours, in the order of the wire.
RESOURCES = ("cores", "injected_file_content_bytes", "injected_file_path_bytes", "injected_files", "instances",
             "key_pairs", "metadata_items", "ram", "server_group_members", "server_groups")
#: Resources whose usage is kept in ``quota_usages``.
COUNTED = ("cores", "instances", "ram")
#: Resources of the network service; old answers show them too.
NETWORK = ("floating_ips", "security_group_rules", "security_groups")
#: Resources that only old answers show, without a limit.
ELSEWHERE = ("fixed_ips",)


def wording(over: list[str], asked: Mapping[str, int], used: Mapping[str, int], limits: Mapping[str, int]) -> str:
    """The refusal as clients know it."""
    def row(values: Mapping[str, int]) -> str:
        return ", ".join(str(values.get(resource, 0)) for resource in over)

    names = ", ".join(over)
    return f"Quota exceeded for {names}: Requested {row(asked)}, but already used {row(used)} of {row(limits)} {names}"


class Quota:
    """Limits and charges over the API database."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def defaults(self) -> dict[str, int]:
        """The configured limits."""
        section = self._conf.quota
        return {resource: int(section[resource]) for resource in (*RESOURCES, *NETWORK)}

    def class_limits(self, conn: sa.Connection, class_name: str = "default") -> dict[str, int]:
        """What holds for projects without limits of their own."""
        return self.defaults() | table.class_limits(conn, class_name)

    def limits(self, conn: sa.Connection, project_id: str, user_id: str = "") -> dict[str, int]:
        """What holds now: the user's limit, else the project's, else the default class, else the configuration."""
        state = table.state(conn, project_id, user_id)
        return self._of_project(state) | state.of_user

    def usages(self, conn: sa.Connection, project_id: str, user_id: str = "") -> dict[str, int]:
        """What the project, or one user in it, uses of the counted resources."""
        used = mappings.charged(conn, project_id, user_id) if user_id else table.usages(conn, project_id)
        return dict.fromkeys(COUNTED, 0) | used

    def charge(self, conn: sa.Connection, project_id: str, amounts: Mapping[str, int], *, user_id: str = "",
               limits: Mapping[str, int] | None = None) -> None:
        """Add ``amounts`` to the project's usage. Raises :class:`errors.OverQuota`, naming what would be passed.

        A user's own limits are held against what the user's servers are charged with. They are counted while the
        project's usage is held by this transaction, so nobody else in the project charges meanwhile.
        """
        state = table.state(conn, project_id, user_id)
        holds = self._of_project(state) if limits is None else limits
        if not table.charge(conn, project_id, amounts, holds, known=state.used):
            raise self._refusal(amounts, state.used, holds)
        if state.of_user and limits is None:
            used = mappings.charged(conn, project_id, user_id)
            if any(0 <= state.of_user.get(r, UNLIMITED) < used.get(r, 0) + n for r, n in amounts.items()):
                raise self._refusal(amounts, used, state.of_user)

    def fitting(self, conn: sa.Connection, project_id: str, each: Mapping[str, int], minimum: int, maximum: int, *,
                user_id: str = "") -> int:
        """How many servers of ``each`` can be charged now, at most ``maximum``. OverQuota below ``minimum``."""
        state = table.state(conn, project_id, user_id)
        least = {r: n * minimum for r, n in each.items()}
        bounds = [(self._of_project(state), state.used)]
        if state.of_user:
            bounds.append((state.of_user, mappings.charged(conn, project_id, user_id)))
        count = maximum
        for limits, used in bounds:
            for resource, n in each.items():
                if n > 0 and limits.get(resource, UNLIMITED) >= 0:
                    count = min(count, max(0, limits[resource] - used.get(resource, 0)) // n)
            if count < minimum:
                raise self._refusal(least, used, limits)
        return count

    def release(self, conn: sa.Connection, project_id: str, amounts: Mapping[str, int]) -> None:
        table.release(conn, project_id, amounts)

    def check_count(self, resource: str, limit: int, wanted: int) -> None:
        """A limit on how many there may be, where nothing is charged: raises OverQuota when ``wanted`` passes it."""
        if 0 <= limit < wanted:
            raise errors.OverQuota(_COUNT_WORDING[resource].format(limit=limit), resource=resource)

    def _of_project(self, state: table.State) -> dict[str, int]:
        return self.defaults() | state.of_class | state.of_project

    @staticmethod
    def _refusal(amounts: Mapping[str, int], used: Mapping[str, int], limits: Mapping[str, int]) -> errors.OverQuota:
        over = sorted(r for r, n in amounts.items() if 0 <= limits.get(r, UNLIMITED) < used.get(r, 0) + n)
        over = over or sorted(amounts)  # others have charged between the two statements
        details: dict[str, Any] = {"overs": over}
        return errors.OverQuota(wording(over, amounts, used, limits), **details)


_COUNT_WORDING = {
    "injected_files": "Personality file limit exceeded: at most {limit} files.",
    "injected_file_path_bytes": "Personality file path exceeds maximum length of {limit} bytes.",
    "injected_file_content_bytes": "Personality file content exceeds maximum size of {limit} bytes.",
    "metadata_items": "Maximum number of metadata items exceeds {limit}",
    "key_pairs": "Quota exceeded, too many key pairs.",
    "server_groups": "Quota exceeded, too many server groups.",
    "server_group_members": "Quota exceeded, too many servers in group",
    "floating_ips": "Floating IP limit exceeded: at most {limit}.",
    "security_groups": "Quota exceeded, too many security groups: at most {limit}.",
    "security_group_rules": "Quota exceeded, too many security group rules: at most {limit} in a direction.",
}

__all__ = ["COUNTED", "ELSEWHERE", "NETWORK", "RESOURCES", "UNLIMITED", "Quota", "options", "wording"]
