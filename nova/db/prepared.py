# SPDX-License-Identifier: Apache-2.0
"""Selects of one row that are asked for all the time: compiled once. What is selected stands with the tables."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa


class _Plan:
    """The text of a select, the order of its parameters, and what turns columns into values."""

    __slots__ = ("text", "names", "defaults", "makers", "fits")

    def __init__(self, select: sa.Select[*tuple[Any, ...]], dialect: sa.Dialect) -> None:
        compiled: Any = select.compile(dialect=dialect)
        self.text: str = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.defaults = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        makers = [column.type.dialect_impl(dialect).result_processor(dialect, None)
                  for column in select.selected_columns]
        self.makers: list[tuple[int, Callable[[Any], Any]]] = [(i, m) for i, m in enumerate(makers) if m is not None]
        #: Lists and values that the dialect would have to change first are left to SQLAlchemy.
        self.fits = not compiled.post_compile_params and not compiled.literal_execute_params and not any(
            bind.type.dialect_impl(dialect).bind_processor(dialect) for bind in compiled.binds.values())


class Prepared:
    """``one(conn, {...})`` is what ``conn.execute(select, {...}).one_or_none()`` gives, as a plain sequence.

    On SQLite, where a row is read in less time than SQLAlchemy takes for the words around it, the driver is asked
    directly; it does so on the same connection and so in the same transaction. All else, errors too, goes the usual
    way.
    """

    def __init__(self, select: sa.Select[*tuple[Any, ...]]) -> None:
        self._select = select
        self._plans: weakref.WeakKeyDictionary[sa.Dialect, _Plan] = weakref.WeakKeyDictionary()

    def one(self, conn: sa.Connection, parameters: dict[str, Any] | None = None) -> Sequence[Any] | None:
        values = parameters or {}
        if conn.dialect.name == "sqlite":
            rows = self._ask(conn, values)
            if rows is not None and len(rows) < 2:
                return rows[0] if rows else None
        return conn.execute(self._select, values).one_or_none()

    def _ask(self, conn: sa.Connection, values: dict[str, Any]) -> list[list[Any]] | None:
        """At most two rows; None when SQLAlchemy is to be asked, which also finds the words for what went wrong."""
        plan = self._plans.get(conn.dialect)
        if plan is None:
            plan = self._plans[conn.dialect] = _Plan(self._select, conn.dialect)
        raw: Any = conn.connection.dbapi_connection
        if not plan.fits or not isinstance(raw, sqlite3.Connection):
            return None
        try:
            given = [values[name] if name in values else plan.defaults[name] for name in plan.names]
            found = raw.execute(plan.text, given).fetchmany(2)
        except (KeyError, sqlite3.Error):
            return None
        rows = [list(row) for row in found]
        for row in rows:
            for index, make in plan.makers:
                row[index] = make(row[index])
        return rows
