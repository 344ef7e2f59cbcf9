# SPDX-License-Identifier: Apache-2.0
"""What is told of cases and of how they ended: rows for programs, and for people process × step → outcome."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group
from rich.table import Table

from tests.crash.play import Outcome
from tests.crash.run import Item

Row = dict[str, Any]
FAILED = "FAILED"
#: Where the last run of the suite left its rows, in pytest's cache.
KEPT = "crash/results"


def played(item: Item, outcome: Outcome | None) -> Row:
    """The row of a case that was played; without an outcome it failed."""
    row: Row = {"cloud": item.group.name} | item.case.row()
    if outcome is None:
        return row | {"ended": FAILED, "moving again after": None, "of": "", "ready after": None, "settled after": None}
    return row | {"ended": outcome.ended, "moving again after": _rounded(outcome.moved), "of": outcome.since,
                  "ready after": _rounded(outcome.ready), "settled after": _rounded(outcome.settled)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def tables(rows: list[Row]) -> Group:
    """A table per cloud, and if they were played how long that took each process."""
    return Group(*_matrices(rows), *([_summary(rows)] if any("ended" in row for row in rows) else []))


def _matrices(rows: list[Row]) -> Iterator[Table]:
    """Each with a line per step and moment, a column per process."""
    for cloud in dict.fromkeys(_cloud(row) for row in rows):
        mine = [row for row in rows if _cloud(row) == cloud]
        processes = list(dict.fromkeys(row["process"] for row in mine))
        table = Table(title=f"{cloud or 'crash cases'}: {len(mine)} cases, {_title(mine)}")
        for name in ("step", "killed", *processes):
            table.add_column(name, no_wrap=name in ("step", "killed"))
        for step in dict.fromkeys((row["operation"], row["step"], row["moment"]) for row in mine):
            cells = [", ".join(_told(row) for row in mine if row["process"] == process
                               and (row["operation"], row["step"], row["moment"]) == step) for process in processes]
            table.add_row(f"{step[0]}.{step[1]}", step[2], *cells)
        yield table


def _cloud(row: Row) -> str:
    """Its kind: the groups of one kind make one table."""
    return str(row.get("cloud", "")).split(" ")[0]


def _title(rows: list[Row]) -> str:
    if not any("ended" in row for row in rows):
        return "process × step → outcome"
    return "process × step → outcome, seconds until it moved again after the restart or the end of the lease"


def _told(row: Row) -> str:
    outcome = str(row.get("ended", row["outcome"]))
    if (moved := row.get("moving again after")) is not None:
        outcome += f" {moved:.1f}"
    return outcome if row["then"] == "restarted" else f"{row['then']}: {outcome}"


def _summary(rows: Iterable[Row]) -> Table:
    """Of those that had something left to do. A process that is back may move operations before it says READY."""
    by: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        by.setdefault((row["cloud"], row["process"], row["then"]), []).append(row)
    table = Table("cloud", "process", "then", "cases", "failed", "moving again: median", "worst", "ready: median",
                  "from ready to moving: worst", title="seconds")
    for (cloud, process, then), group in by.items():
        moved = [row["moving again after"] for row in group if row["moving again after"] is not None]
        ready = [row["ready after"] for row in group if row["ready after"] is not None]
        late = [max(0.0, row["moving again after"] - row["ready after"]) for row in group
                if row["moving again after"] is not None and row["ready after"] is not None]
        table.add_row(cloud, process, then, str(len(group)), str(sum(row["ended"] == FAILED for row in group)),
                      *((f"{statistics.median(moved):.1f}", f"{max(moved):.1f}") if moved else ("", "")),
                      *((f"{statistics.median(ready):.1f}", f"{max(late):.1f}" if late else "") if ready else ("", "")))
    return table
