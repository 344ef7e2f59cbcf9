# SPDX-License-Identifier: Apache-2.0
"""A page of servers out of several sorted streams: build requests and one stream per cell.

Each cell is asked for a little more than its share of the page at first, and for more only when the page needs it. Rows
stay as the driver gave them until it is known that the page shows them. Paging goes by key: the marker's own values say
where to go on, so a late page costs what the first one does.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from nova import errors, states
from nova.cells import Cell
from nova.db.cell import instances as table
from nova.store.filters import Reverse, conditions, sort_value
from nova.store.query import Query

T = table.instances.c
#: The JSON columns as they come from the driver.
_RAW = {c.name: sa.type_coerce(c, sa.types.NullType()).label(c.name) for c in table.instances.columns
        if isinstance(c.type, sa.JSON)}
_TEXTS = frozenset(c.name for c in table.instances.columns if isinstance(c.type, sa.String) and c.name != "uuid")

Order = Sequence[tuple[str, str]]
Key = Callable[[Any], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Page:
    rows: list[dict[str, Any]]
    down: list[Cell]


@dataclasses.dataclass(slots=True)
class Chunk:
    """Sorted rows of one cell, as tuples of ``names``. ``more``: there may be others after them."""

    names: list[str]
    rows: Sequence[Any]
    more: bool
    faults: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    volumes: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)


def share(limit: int, cells: int) -> int:
    """How many rows each of several cells is asked for at first."""
    return limit if cells < 2 else min(limit, limit // cells + limit // 8 + 8)


def chunk_of(cell: Cell, query: Query, after: dict[str, Any] | None, count: int, *, details: bool) -> Chunk:
    """The next rows of a cell. With ``details``, faults and volumes beside them, a select each where there are any."""
    names = list(query.columns or (c.name for c in table.instances.columns))
    order = query.order
    names += [name for name, _ in order if name not in names]
    if details:
        names += [name for name in ("id", "vm_state") if name not in names]
    columns: list[sa.ColumnElement[Any]] = [_RAW.get(n, T[n]) for n in names]
    if details:
        names.append("has_volumes")
        columns.append(table.HAS_VOLUMES)
    collation = "C" if cell.database.dialect == "postgresql" else None
    where = conditions(query)
    if after is not None:
        where.append(_after(after, order, collation))
    by = _order_by(order, collation)
    if query.deleted is None or order[0][0] != "created_at":
        # No index has this order: sort ids, which are small, and look at the rest of those that are shown only.
        wanted = sa.select(T.id).where(*where).order_by(*by).limit(count).subquery("wanted")
        select = sa.select(*columns).join_from(wanted, table.instances, T.id == wanted.c.id).order_by(*by)
    else:
        select = sa.select(*columns).where(*where).order_by(*by).limit(count)
    with cell.database.read() as conn:
        try:
            rows = conn.execute(select).all()
        except exc.DataError as e:  # an expression that the engine reads otherwise than we do
            raise errors.Invalid("The servers cannot be filtered by this value.") from e
        chunk = Chunk(names, rows, len(rows) == count)
        if details:
            at = {name: names.index(name) for name in ("uuid", "vm_state", "has_volumes")}
            broken = (states.ERROR, states.DELETED)
            chunk.faults = table.latest_faults(conn, [r[at["uuid"]] for r in rows if r[at["vm_state"]] in broken])
            chunk.volumes = table.volumes_of(conn, [r[at["uuid"]] for r in rows if r[at["has_volumes"]]])
    return chunk


class Stream:
    """The rows of one cell in the page's order; ``refill`` gets those after a row."""

    def __init__(self, cell: Cell, chunk: Chunk, refill: Callable[[dict[str, Any]], Chunk]) -> None:
        self.cell, self._chunk, self._refill = cell, chunk, refill

    def entries(self, order: Order, number: int) -> Iterator[tuple[Any, ...]]:
        """(key, number of the stream, row, chunk)."""
        while True:
            chunk = self._chunk
            key = key_of(order, chunk.names.index)
            for row in chunk.rows:
                yield key(row), number, row, chunk
            if not chunk.more or not chunk.rows:
                return
            last = chunk.rows[-1]
            self._chunk = self._refill({name: last[chunk.names.index(name)] for name, _ in order})


def key_of(order: Order, place: Callable[[str], Any]) -> Key:
    """What sorts rows; ``place`` gives where a row has a column. When all columns go down, so does the key (see
    :func:`downwards`), and nothing has to be turned round."""
    down = downwards(order)
    places = [(place(name), T[name].nullable, direction == "desc" and not down) for name, direction in order]

    def key(row: Any) -> tuple[Any, ...]:
        values = []
        for where, nullable, turned in places:
            value = sort_value(row[where]) if nullable else row[where]
            values.append(Reverse(value) if turned else value)
        return tuple(values)

    return key


def downwards(order: Order) -> bool:
    return all(direction == "desc" for _, direction in order)


def merge(waiting: list[dict[str, Any]], streams: Sequence[Stream], query: Query,
          details: bool) -> list[dict[str, Any]]:
    """The first rows of all streams as dicts. A server between two databases is in both for a moment: shown once.

    Raises what a refill raises.
    """
    order = query.order
    key = key_of(order, lambda name: name)
    last = -1 if downwards(order) else len(streams)  # so that the cell's row of one that is in both comes first
    sources: list[Iterator[tuple[Any, ...]]] = [iter([(key(row), last, row, None) for row in waiting])]
    sources += [stream.entries(order, number) for number, stream in enumerate(streams)]
    chosen: list[dict[str, Any]] = []
    seen: set[str] = set()
    reader = _Reader(details)
    merged = sources[1] if len(sources) == 2 and not waiting else heapq.merge(
        *sources, key=lambda entry: entry[:2], reverse=downwards(order))
    for _, number, row, chunk in merged:
        item = row if chunk is None else reader.row(row, chunk, streams[number].cell)
        if item["uuid"] not in seen:
            seen.add(item["uuid"])
            chosen.append(item)
            if len(chosen) == query.limit:
                break
    return chosen


class _Reader:
    """Tuples to dicts. Equal JSON texts, such as flavors, become one object of the page, which views only read."""

    def __init__(self, details: bool) -> None:
        self._details = details
        self._known: dict[str, Any] = {}

    def row(self, values: Sequence[Any], chunk: Chunk, cell: Cell) -> dict[str, Any]:
        row = dict(zip(chunk.names, values, strict=True))
        known = self._known
        for name in _RAW:
            text = row.get(name)
            if type(text) is str:  # a driver that reads JSON by itself has done so
                value = known.get(text)
                if value is None:
                    value = known[text] = orjson.loads(text)
                row[name] = value
        row["cell_uuid"] = cell.uuid
        if self._details:
            finish(row, chunk.faults, chunk.volumes)
        return row


def finish(row: dict[str, Any], faults: dict[str, Any], volumes: dict[str, Any]) -> None:
    """Add the guest's name, fault and volumes to a row."""
    row["name"] = table.guest_name(row["id"], row.get("name"))
    row["fault"] = faults.get(row["uuid"])
    row["volumes"] = volumes.get(row["uuid"], [])


def following(rows: list[dict[str, Any]], marker: dict[str, Any] | None, query: Query) -> list[dict[str, Any]]:
    """Plain rows in the page's order, those after the marker."""
    key, down = key_of(query.order, lambda name: name), downwards(query.order)
    if marker is not None:
        limit = key(marker)
        rows = [r for r in rows if (key(r) < limit if down else key(r) > limit)]
    return sorted(rows, key=key, reverse=down)


def _sorted(name: str, collation: str | None) -> sa.ColumnElement[Any]:
    """The column as it sorts: by code points on every engine, as merging does."""
    column: sa.ColumnElement[Any] = T[name]
    return sa.collate(column, collation) if collation and name in _TEXTS else column


def _order_by(order: Order, collation: str | None) -> list[sa.ColumnElement[Any]]:
    found: list[sa.ColumnElement[Any]] = []
    for name, direction in order:
        if T[name].nullable:
            found.append(_null_rank(name, direction))
        column = _sorted(name, collation)
        found.append(column.asc() if direction == "asc" else column.desc())
    return found


def _null_rank(name: str, direction: str) -> sa.ColumnElement[Any]:
    """Nothing sorts before something, on every engine."""
    rank = sa.case((T[name].is_(None), 0), else_=1)
    return rank.asc() if direction == "asc" else rank.desc()


def _after(marker: dict[str, Any], order: Order, collation: str | None) -> sa.ColumnElement[bool]:
    """Rows that follow the marker in the order."""
    alternatives: list[sa.ColumnElement[bool]] = []
    equal: list[sa.ColumnElement[bool]] = []
    for name, direction in order:
        column, value = _sorted(name, collation), marker.get(name)
        beyond: sa.ColumnElement[bool]
        if value is None:
            beyond = T[name].is_not(None) if direction == "asc" else sa.false()
        elif direction == "asc":
            beyond = column > value
        else:
            beyond = sa.or_(column < value, T[name].is_(None)) if T[name].nullable else column < value
        alternatives.append(sa.and_(*equal, beyond))
        equal.append(T[name].is_(None) if value is None else T[name] == value)
    following = sa.or_(*alternatives)
    name, direction = order[0]
    first = marker.get(name)
    if first is None or T[name].nullable:
        return following
    edge = _sorted(name, collation)  # said alone as well, so that an index can begin there
    return sa.and_(edge >= first if direction == "asc" else edge <= first, following)
