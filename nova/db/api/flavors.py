# SPDX-License-Identifier: Apache-2.0
"""Flavors and who may use the private ones. Extra specs are a column: a list of flavors is one select.

Rows are dicts of :data:`COLUMNS`; ``flavor_of`` makes of one the dict that servers keep and the scheduler reads.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, UniqueConstraint

from nova.db.api import metadata
from nova.db.prepared import Prepared
from nova.db.schema import BigId, Json, Name, Text, Time, db_now, table

flavors = table(
    "flavors", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("flavorid", Name, nullable=False, unique=True),
    Column("name", Name, nullable=False, unique=True),
    Column("memory_mb", sa.Integer, nullable=False),
    Column("vcpus", sa.Integer, nullable=False),
    Column("root_gb", sa.Integer, nullable=False),
    Column("ephemeral_gb", sa.Integer, nullable=False, default=0),
    Column("swap", sa.Integer, nullable=False, default=0),
    Column("rxtx_factor", sa.Double, nullable=False, default=1.0),
    Column("is_public", sa.Boolean, nullable=False, default=True),
    Column("disabled", sa.Boolean, nullable=False, default=False),
    Column("description", Text),
    Column("extra_specs", Json, nullable=False),
    Column("revision", sa.BigInteger, nullable=False, default=0),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time),
)

flavor_projects = table(
    "flavor_projects", metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("flavor_id", BigId, sa.ForeignKey("flavors.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", Name, nullable=False),
    UniqueConstraint("flavor_id", "project_id"),
    Index("ix_flavor_projects_project", "project_id"),
)

F = flavors.c
COLUMNS = ("flavorid", "name", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap", "rxtx_factor", "is_public",
           "disabled", "description", "extra_specs")
_COLUMNS = [F[name] for name in COLUMNS]
SORT_KEYS = frozenset(COLUMNS) - {"extra_specs"} | {"id", "created_at", "updated_at"}


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """Which flavors: None means not asked. ``project_id`` adds the private flavors that this project may use."""

    is_public: bool | None = None
    project_id: str | None = None
    min_memory_mb: int = 0
    min_root_gb: int = 0
    name: str | None = None

    def where(self) -> list[sa.ColumnElement[bool]]:
        conditions: list[sa.ColumnElement[bool]] = []
        if self.is_public is not None:
            public: sa.ColumnElement[bool] = F.is_public.is_(self.is_public)
            if self.is_public and self.project_id is not None:
                public = sa.or_(public, _granted(self.project_id))
            conditions.append(public)
        elif self.project_id is not None:
            conditions.append(sa.or_(F.is_public.is_(True), _granted(self.project_id)))
        if self.min_memory_mb:
            conditions.append(F.memory_mb >= self.min_memory_mb)
        if self.min_root_gb:
            conditions.append(F.root_gb >= self.min_root_gb)
        if self.name is not None:
            conditions.append(F.name == self.name)
        return conditions


def _granted(project_id: Any) -> sa.ColumnElement[bool]:
    return F.id.in_(sa.select(flavor_projects.c.flavor_id).where(flavor_projects.c.project_id == project_id))


def page(conn: sa.Connection, wanted: Filter, *, sort_key: str = "flavorid", descending: bool = False,
         limit: int = 1000, marker: str | None = None) -> list[dict[str, Any]] | None:
    """A page of flavors after ``marker`` (a flavorid). None: there is no such marker."""
    key = F[sort_key]
    query = _select(wanted, sort_key, descending, limit)
    if marker is not None:
        last = conn.execute(sa.select(key, F.id).where(F.flavorid == marker)).one_or_none()
        if last is None:
            return None
        query = query.where(_after(key, last[0], last[1], descending))
    return [dict(zip(COLUMNS, row, strict=True)) for row in conn.execute(query)]


@functools.lru_cache(maxsize=256)
def _select(wanted: Filter, sort_key: str, descending: bool, limit: int) -> sa.Select[Any]:
    """Kept because most lists ask the same, and building the expression costs more than running it."""
    key = F[sort_key]
    order: list[Any] = [sa.case((key.is_(None), 0), else_=1)] if key.nullable else []
    order += [key] if key is F.id else [key, F.id]
    direction = sa.desc if descending else sa.asc
    return sa.select(*_COLUMNS).where(*wanted.where()).order_by(*(direction(o) for o in order)).limit(limit)


def _after(key: Any, value: Any, row_id: int, descending: bool) -> sa.ColumnElement[bool]:
    """Rows behind the marker; nothing sorts before something."""
    later = F.id < row_id if descending else F.id > row_id
    if key is F.id:
        return later
    if value is None:
        same = sa.and_(key.is_(None), later)
        return same if descending else sa.or_(key.is_not(None), same)
    beyond = sa.or_(key < value, key.is_(None)) if descending else key > value
    return sa.or_(beyond, sa.and_(key == value, later))


_ONE = sa.select(F.id, F.revision, F.created_at, *_COLUMNS).where(F.flavorid == sa.bindparam("asked"))
_ONE_VISIBLE = _ONE.where(sa.or_(F.is_public.is_(True), _granted(sa.bindparam("project"))))


def get(conn: sa.Connection, flavorid: str, project_id: str | None = None) -> dict[str, Any] | None:
    """One flavor; with ``project_id`` only if that project may use it."""
    query = _ONE if project_id is None else _ONE_VISIBLE
    row = conn.execute(query, {"asked": flavorid, "project": project_id}).mappings().one_or_none()
    return dict(row) if row else None


def create(conn: sa.Connection, values: dict[str, Any]) -> None:
    """A new flavor. An id or name that is taken raises :class:`sqlalchemy.exc.IntegrityError`."""
    conn.execute(flavors.insert().values({"extra_specs": {}, "created_at": db_now(), **values}))


def clash(conn: sa.Connection, flavorid: str, name: str) -> str | None:
    """``"flavorid"`` or ``"name"`` when a flavor has one of them already."""
    for row in conn.execute(sa.select(F.flavorid, F.name).where(sa.or_(F.flavorid == flavorid, F.name == name))):
        return "flavorid" if row[0] == flavorid else "name"
    return None


_GENERATION = Prepared(sa.select(sa.func.count(), sa.func.max(F.id), sa.func.max(F.created_at),
                                 sa.func.sum(F.revision)))


def generation(conn: sa.Connection) -> tuple[Any, ...]:
    """Equal as long as no flavor, and nothing about who may use one, has changed; in whichever process."""
    return tuple(_GENERATION.one(conn) or ())


def describe(conn: sa.Connection, flavorid: str, description: str | None) -> bool:
    return conn.execute(flavors.update().where(F.flavorid == flavorid).values(
        description=description, revision=F.revision + 1, updated_at=db_now())).rowcount == 1


def delete(conn: sa.Connection, flavorid: str) -> bool:
    """Servers keep the copy of the flavor that they were made with."""
    row_id = conn.execute(sa.select(F.id).where(F.flavorid == flavorid)).scalar_one_or_none()
    if row_id is None:
        return False
    conn.execute(flavor_projects.delete().where(flavor_projects.c.flavor_id == row_id))
    return conn.execute(flavors.delete().where(F.id == row_id)).rowcount == 1


def set_extra_specs(conn: sa.Connection, row: dict[str, Any], extra_specs: dict[str, str]) -> bool:
    """Replace the specs of a row read before. False: somebody else changed them since; read again."""
    return conn.execute(flavors.update().where(F.id == row["id"], F.revision == row["revision"])
                        .values(extra_specs=extra_specs, revision=F.revision + 1, updated_at=db_now())).rowcount == 1


def projects(conn: sa.Connection, row_id: int) -> list[str]:
    """Projects that may use a private flavor, in the order in which they were let in."""
    p = flavor_projects.c
    return list(conn.execute(sa.select(p.project_id).where(p.flavor_id == row_id).order_by(p.id)).scalars())


def grant(conn: sa.Connection, row_id: int, project_id: str) -> None:
    """Let a project in; twice raises :class:`sqlalchemy.exc.IntegrityError`."""
    conn.execute(flavor_projects.insert().values(flavor_id=row_id, project_id=project_id))
    _changed(conn, row_id)


def revoke(conn: sa.Connection, row_id: int, project_id: str) -> bool:
    p = flavor_projects.c
    done = conn.execute(flavor_projects.delete().where(p.flavor_id == row_id, p.project_id == project_id))
    _changed(conn, row_id)
    return done.rowcount == 1


def _changed(conn: sa.Connection, row_id: int) -> None:
    conn.execute(flavors.update().where(F.id == row_id).values(revision=F.revision + 1))


def flavor_of(row: dict[str, Any]) -> dict[str, Any]:
    """The copy of a flavor that a server keeps."""
    return {name: row[name] for name in ("id", *COLUMNS) if name != "disabled"}
