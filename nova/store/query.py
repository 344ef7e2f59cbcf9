# SPDX-License-Identifier: Apache-2.0
"""What a list of servers is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Query:
    """What page of servers is asked for.

    ``project_id`` None means all projects. ``filters`` are column filters by name (see :mod:`nova.store.filters`).
    ``sort`` is a sequence of (column, "asc" or "desc"). ``deleted``: None for both kinds. Times are epoch seconds.
    """

    project_id: str | None
    filters: dict[str, Any] = dataclasses.field(default_factory=dict)
    sort: Sequence[tuple[str, str]] = (("created_at", "desc"),)
    limit: int = 1000
    marker: str | None = None
    deleted: bool | None = False
    columns: Sequence[str] | None = None

    @property
    def order(self) -> list[tuple[str, str]]:
        """The sort keys with the tie-breakers that make paging exact."""
        named = {k for k, _ in self.sort}
        ties = [(k, self.sort[0][1] if self.sort else "desc") for k in ("created_at", "uuid") if k not in named]
        return [*self.sort, *ties]
