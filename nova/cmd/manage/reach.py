# SPDX-License-Identifier: Apache-2.0
"""How a command reaches the databases of all cells; it needs no bus for that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from nova.cells import Cells
from nova.cmd.manage.tool import State
from nova.db.engine import Database


@contextlib.contextmanager
def cells_of(state: State, *, timeout: float = 10.0) -> Iterator[tuple[Database, Cells]]:
    """The API database and the cells, closed at the end. A cell that is silent for ``timeout`` seconds is left out of
    answers."""
    with state.database("api", synced=True) as api:
        cells = Cells(api, _without_bus, timeout=timeout)
        try:
            yield api, cells
        finally:
            cells.close()


def _without_bus(row: dict[str, Any]) -> tuple[Database, None]:
    return Database(row["database_connection"], name=row["name"] or row["uuid"], pool_size=2), None
