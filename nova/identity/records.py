# SPDX-License-Identifier: Apache-2.0
"""What all nouns of the auth manager do alike: get, list, create, update and delete records of one table.

Each noun adds its rules in its own module. Attributes that have no column are kept in ``extra``, as the Identity API
promises. Every change clears the caches of this process; other processes notice within ``cache_time``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import identity as db
from nova.db.api import identity_projects
from nova.db.engine import Database

T = TypeVar("T")


def new_id() -> str:
    return concurrency.uuid4().replace("-", "")


def require_domain(conn: sa.Connection, domain_id: str) -> None:
    if db.get(conn, identity_projects.domains, domain_id) is None:
        raise errors.NotFound(f"Could not find domain: {domain_id}.")


class Records(Generic[T]):
    """Base of the nouns. ``word`` is how messages call one; ``immutable`` attributes are refused in an update.

    ``internal`` columns are set by the noun itself, never by what a caller names so.
    """

    table: ClassVar[sa.Table]
    kind: ClassVar[type[Any]]
    word: ClassVar[str]
    immutable: ClassVar[frozenset[str]] = frozenset({"id"})
    internal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._db = database
        self._changed = changed

    def get(self, record_id: str) -> T:
        with self._db.read() as conn:
            return self._get(conn, record_id)

    def find(self, **equals: Any) -> list[T]:
        with self._db.read() as conn:
            return [self._value(row) for row in db.find(conn, self.table, equals)]

    def _get(self, conn: sa.Connection, record_id: str, *, lock: bool = False) -> T:
        row = db.get(conn, self.table, record_id, lock=lock)
        if row is None:
            raise self.unknown(record_id)
        return self._value(row)

    def unknown(self, record_id: str) -> errors.NotFound:
        return errors.NotFound(f"Could not find {self.word}: {record_id}.")

    def _value(self, row: sa.Row[Any]) -> T:
        columns = row._mapping
        return self.kind(**{f.name: columns[f.name] for f in dataclasses.fields(self.kind)})  # type: ignore[no-any-return]

    def _create(self, values: Mapping[str, Any], internal: Mapping[str, Any] | None = None) -> T:
        row = self._row({"id": new_id()} | dict(values)) | dict(internal or {})
        with self._writing(row.get("name")) as conn:
            db.insert(conn, self.table, row)
            return self._get(conn, row["id"])

    def _update(self, record_id: str, changes: Mapping[str, Any],
                check: Callable[[sa.Connection, T], Mapping[str, Any]] | None = None) -> T:
        """Change the record. ``check`` sees it, locked, and may refuse or give further columns to change."""
        with self._writing(changes.get("name")) as conn:
            before = self._get(conn, record_id, lock=True)
            for name in self.immutable & changes.keys():
                if changes[name] != getattr(before, name, None):
                    raise errors.Invalid(f"Attribute {name} of {self.word} {record_id} cannot be changed.")
            row = self._row(changes, dict(getattr(before, "extra", {})))
            row |= check(conn, before) if check else {}
            if row:
                db.update(conn, self.table, record_id, row)
            return self._get(conn, record_id)

    def _delete(self, record_id: str, also: Callable[[sa.Connection, T], None] | None = None) -> None:
        with self._writing(None) as conn:
            before = self._get(conn, record_id, lock=True)
            if also:
                also(conn, before)
            db.delete(conn, self.table, record_id)

    def _row(self, values: Mapping[str, Any], extra: dict[str, Any] | None = None) -> dict[str, Any]:
        """Columns as they are; the rest joins ``extra``, in which None removes an attribute."""
        columns = set(self.table.c.keys()) - self.internal - {"extra"}
        row = {k: v for k, v in values.items() if k in columns}
        if "description" in row and row["description"] is None:
            row["description"] = ""
        rest = {k: v for k, v in values.items() if k not in self.table.c}
        if rest and "extra" in self.table.c:
            row["extra"] = {k: v for k, v in ((extra or {}) | rest).items() if v is not None}
        return row

    @contextmanager
    def _writing(self, name: Any) -> Iterator[sa.Connection]:
        try:
            with self._db.write() as conn:
                yield conn
        except sa.exc.IntegrityError as e:
            found = f" - duplicate entry found with name {name}" if name else ""
            raise errors.Conflict(f"Conflict occurred attempting to store {self.word}{found}.") from e
        self._changed()
