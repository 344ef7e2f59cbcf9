# SPDX-License-Identifier: Apache-2.0
"""A select with many rows, column by column.

The driver of SQLite gives the interpreter away and takes it back at each row, and so do threads that read two files
side by side: they hand it to each other some thousand times a page. There the engine writes each column as one JSON
text instead: one step for all rows, which leaves the other threads alone. Elsewhere rows come in one piece anyway.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

#: JSON has numbers with 15 digits in SQLite, too few for a time. A double from 2**22 to 2**32 times this is whole, so
#: nothing is lost of a time either way; of earlier ones the parts below a nanosecond are.
_SCALE = 2**31


class Columns:
    """The rows of ``select`` as one sequence per column, in their order. Columns need names of their own, and must not
    be binary. Of double precision there are only times.

    It may be fetched from several databases of one ``dialect``, by threads side by side: what SQLAlchemy finds out of a
    statement before it asks stays with it, and takes longer than reading a few rows.
    """

    def __init__(self, select: sa.Select[*tuple[Any, ...]], dialect: str) -> None:
        self._shape = tuple((column.key or "", _kind(column.type)) for column in select.selected_columns)
        self._texts = dialect == "sqlite"
        self._select = select
        if self._texts:
            self._select = sa.select(*_aggregates(self._shape)).select_from(select.subquery("found"))

    def fetch(self, conn: sa.Connection) -> dict[str, Sequence[Any]]:
        """By the names of the columns."""
        rows = conn.execute(self._select).all()
        if self._texts:
            return {name: _MAKERS[kind](orjson.loads(text))
                    for (name, kind), text in zip(self._shape, rows[0], strict=True)}
        columns = zip(*rows, strict=True) if rows else [()] * len(self._shape)
        return {name: values for (name, _), values in zip(self._shape, columns, strict=True)}


def _kind(of: sa.types.TypeEngine[Any]) -> str:
    return next((name for name, kinds in _KINDS if isinstance(of, kinds)), "plain")


@functools.lru_cache(maxsize=64)
def _aggregates(shape: tuple[tuple[str, str], ...]) -> list[sa.ColumnElement[str]]:
    """What asks SQLite for each column as one text. Kept, because making them takes as long as reading the rows."""
    found: list[sa.ColumnElement[str]] = []
    for name, kind in shape:
        column: sa.ColumnElement[Any] = sa.column(name)
        if kind == "time":
            column = sa.cast(column * sa.literal_column(f"{_SCALE}.0"), sa.Integer)
        found.append(sa.func.json_group_array(column, type_=sa.Text))
    return found


def _times(values: list[int | None]) -> list[float | None]:
    return [None if value is None else value / _SCALE for value in values]


def _flags(values: list[int | None]) -> list[bool | None]:
    return [None if value is None else bool(value) for value in values]


def _documents(values: list[str | None]) -> list[Any]:
    return [None if value is None else orjson.loads(value) for value in values]


def _plain(values: list[Any]) -> list[Any]:
    return values


_KINDS: tuple[tuple[str, type], ...] = (("time", sa.Double), ("flag", sa.Boolean), ("document", sa.JSON))
_MAKERS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "time": _times, "flag": _flags, "document": _documents, "plain": _plain}
