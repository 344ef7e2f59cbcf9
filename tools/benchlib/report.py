# SPDX-License-Identifier: Apache-2.0
"""Results as one table or as JSON, beside the reference figures when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .figures import FIGURES, Figure
from .measures import Result
from .stats import short


def built_in() -> dict[str, float]:
    return {f.key: f.reference for f in FIGURES if f.reference is not None}


def from_json(text: str) -> dict[str, float]:
    """The figures of an earlier run with ``-f json``."""
    document = json.loads(text)
    return {m["measure"]: m["value"] for m in document["measures"] if m["value"] is not None}


def rows(results: Sequence[Result], titles: Mapping[str, Any], reference: Mapping[str, float] | None) -> list[
        dict[str, Any]]:
    """The results in the order of the table."""
    by_key = {r.key: r for r in results}
    made = []
    for figure in FIGURES:
        if figure.key in by_key:
            made.append(_row(figure, by_key[figure.key], titles, reference))
    return made


def _row(figure: Figure, result: Result, titles: Mapping[str, Any], reference: Mapping[str, float] | None) -> dict[
        str, Any]:
    row: dict[str, Any] = {"measure": figure.key, "title": figure.title.format(**titles), "value": result.value,
                           "unit": figure.unit, "note": result.note}
    if reference is not None:
        known = reference.get(figure.key)
        row |= {"reference": known, "factor": factor(figure, result.value, known), "reach": figure.reach,
                "reached": reached(figure, result.value)}
    return row


def factor(figure: Figure, value: float | None, reference: float | None) -> float | None:
    """How many times better than the reference; below 1 is worse."""
    if not value or not reference:
        return None
    return value / reference if figure.higher else reference / value


def reached(figure: Figure, value: float | None) -> bool | None:
    if value is None or figure.reach is None:
        return None
    return value >= figure.reach if figure.higher else value <= figure.reach


def as_json(made: Sequence[dict[str, Any]], about: Mapping[str, Any]) -> str:
    return json.dumps({"about": dict(about), "measures": list(made)}, indent=2)


def as_table(made: Sequence[dict[str, Any]], reference: bool) -> Any:
    """A table for rich to print."""
    from rich.table import Table

    table = Table(title=None)
    table.add_column("measure")
    table.add_column("measured", justify="right")
    if reference:
        for name in ("reference", "factor", "reach"):
            table.add_column(name, justify="right")
    table.add_column("note", overflow="fold")
    for row in made:
        cells = [row["title"], _cell(row["value"], row["unit"])]
        if reference:
            better = "" if row["factor"] is None else f"{short(row['factor'])}×"
            sign = {True: " ✓", False: " ✗", None: ""}[row["reached"]]
            cells += [_cell(row["reference"], row["unit"], "–"), better, _cell(row["reach"], row["unit"], "–") + sign]
        table.add_row(*cells, row["note"])
    return table


def _cell(value: float | None, unit: str, absent: str = "failed") -> str:
    return absent if value is None else f"{short(value)} {unit}".replace(" /s", "/s")
