# SPDX-License-Identifier: Apache-2.0
"""Names of resource classes and traits: the standard ones come with libraries, custom ones are rows."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection

import sqlalchemy as sa

from nova import errors
from nova.db.api import placement as tables

CUSTOM = "CUSTOM_"
_FORM = re.compile(r"^CUSTOM_[A-Z0-9_]{1,248}$")


@functools.cache
def standard_classes() -> frozenset[str]:
    import os_resource_classes  # type: ignore[import-untyped]  # only the API front needs the list

    return frozenset(os_resource_classes.STANDARDS)


@functools.cache
def standard_traits() -> frozenset[str]:
    import os_traits  # type: ignore[import-untyped]

    return frozenset(os_traits.get_traits())


def check_custom(name: str) -> str:
    """``name`` if it is well-formed for a class or trait of an operator's own, else Invalid."""
    if not _FORM.match(name):
        raise errors.Invalid(f"{name!r} must begin with CUSTOM_ and go on with capital letters, digits and _ only.")
    return name


def classes(conn: sa.Connection) -> list[str]:
    return sorted(standard_classes() | set(conn.scalars(sa.select(tables.resource_classes.c.name))))


def traits(conn: sa.Connection) -> list[str]:
    return sorted(standard_traits() | set(conn.scalars(sa.select(tables.traits.c.name))))


def require_classes(conn: sa.Connection, names: Collection[str]) -> None:
    """Invalid when one of ``names`` is no resource class."""
    _require(conn, "resource class", tables.resource_classes, set(names) - standard_classes())


def require_traits(conn: sa.Connection, names: Collection[str]) -> None:
    _require(conn, "trait", tables.traits, set(names) - standard_traits())


def _require(conn: sa.Connection, what: str, table: sa.Table, names: set[str]) -> None:
    known = set(conn.scalars(sa.select(table.c.name).where(table.c.name.in_(sorted(names))))) if names else set()
    if unknown := names - known:
        raise errors.Invalid(f"No such {what}: {', '.join(sorted(unknown))}.")


def add(conn: sa.Connection, table: sa.Table, name: str) -> bool:
    """A new custom name; False when it is there already."""
    if conn.execute(sa.select(table.c.name).where(table.c.name == check_custom(name))).first():
        return False
    conn.execute(sa.insert(table).values(name=name))
    return True


def remove(conn: sa.Connection, table: sa.Table, name: str, in_use: sa.ColumnElement[bool]) -> None:
    """Delete a custom name that nothing uses."""
    if not name.startswith(CUSTOM):
        raise errors.Invalid(f"Cannot delete {name}: it is a standard name.")
    if conn.execute(sa.select(table.c.name).where(table.c.name == name)).first() is None:
        raise errors.NotFound(f"There is no {name}.")
    if conn.execute(sa.select(sa.literal(1)).where(in_use).limit(1)).first():
        raise errors.Conflict(f"{name} is in use and cannot be deleted.")
    conn.execute(sa.delete(table).where(table.c.name == name))
