# SPDX-License-Identifier: Apache-2.0
"""A page of servers out of several sorted streams: build requests and one stream per cell.

Each cell is asked for a little more than its share of the page at first, and for more only when the page needs it.
Paging goes by key: the marker's own values say where to go on, so a late page costs what the first one does.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from nova import errors, states
from nova.cells import Cell
from nova.db.cell import instances as table
from nova.db.columns import Columns
from nova.store.filters import Reverse, conditions, sort_value
from nova.store.query import Query

T = table.instances.c
#: The JSON columns as they come from the driver.
_RAW = {c.name: sa.type_coerce(c, sa.types.NullType()).label(c.name) for c in table.instances.columns
        if isinstance(c.type, sa.JSON)}
_TEXTS = frozenset(c.name for c in table.instances.columns if isinstance(c.type, sa.String) and c.name != "uuid")

Order = Sequence[tuple[str, str]]
Key = Callable[[Mapping[str, Any]], tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Page:
    """Servers in the asked order, column by column; ``down`` are the cells that did not answer."""

    columns: dict[str, Sequence[Any]]
    down: list[Cell]

    @functools.cached_property
    def rows(self) -> list[dict[str, Any]]:
        names = list(self.columns)
        return [dict(zip(names, values, strict=True)) for values in zip(*self.columns.values(), strict=True)]


@dataclasses.dataclass(slots=True)
class Chunk:
    """Sorted rows of one cell, column by column. ``more``: there may be others after them."""

    columns: dict[str, Sequence[Any]]
    more: bool
    faults: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    volumes: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["uuid"])


def share(limit: int, cells: int) -> int:
    """How many rows each of several cells is asked for at first. Servers that are spread by chance lie within four
    deviations of their share."""
    return limit if cells < 2 else min(limit, limit // cells + 2 * math.isqrt(limit) + 8)


def names_of(query: Query, details: bool) -> list[str]:
    """The columns that a page is made of: those that are asked for, and those that sort and complete it."""
    names = list(query.columns or (c.name for c in table.instances.columns))
    needed = ["uuid", *(name for name, _ in query.order), *(("id", "vm_state") if details else ())]
    return names + [name for name in dict.fromkeys(needed) if name not in names]


class Select:
    """What cells are asked for the rows of a page: the first ``count``, or those after a row that ``after`` tells.

    With ``details``, faults and volumes are asked for beside them, a select each where there are any.
    """

    def __init__(self, query: Query, after: dict[str, Any] | None, count: int, *, details: bool) -> None:
        self._query, self._after, self._count, self._details = query, after, count, details
        self._made: dict[str, Columns] = {}

    def prepare(self, dialects: Iterable[str]) -> None:
        """Before several threads ask: each of them would make it else."""
        for dialect in set(dialects):
            self._columns(dialect)

    def ask(self, cell: Cell) -> Chunk:
        """The rows of a cell. Raises Invalid for a filter that its engine cannot read."""
        columns = self._columns(cell.database.dialect)
        with cell.database.read() as conn:
            try:
                found = columns.fetch(conn)
            except exc.DataError as e:  # an expression that the engine reads otherwise than we do
                raise errors.Invalid("The servers cannot be filtered by this value.") from e
            uuids = found["uuid"]
            chunk = Chunk(found, len(uuids) == self._count)
            if self._details:
                broken = (states.ERROR, states.DELETED)
                chunk.faults = table.latest_faults(
                    conn, [uuid for uuid, state in zip(uuids, found["vm_state"], strict=True) if state in broken])
                chunk.volumes = table.volumes_of(conn, list(itertools.compress(uuids, found["has_volumes"])))
        return chunk

    def _columns(self, dialect: str) -> Columns:
        if dialect not in self._made:
            self._made[dialect] = Columns(self._make("C" if dialect == "postgresql" else None), dialect)
        return self._made[dialect]

    def _make(self, collation: str | None) -> sa.Select[*tuple[Any, ...]]:
        query = self._query
        columns: list[sa.ColumnElement[Any]] = [_RAW.get(n, T[n]) for n in names_of(query, self._details)]
        if self._details:
            columns.append(table.HAS_VOLUMES)
        order = query.order
        where = conditions(query)
        if self._after is not None:
            where.append(_after(self._after, order, collation))
        by = _order_by(order, collation)
        if query.deleted is None or order[0][0] != "created_at":
            # No index has this order: sort ids, which are small, and look at the rest of those that are shown only.
            wanted = sa.select(T.id).where(*where).order_by(*by).limit(self._count).subquery("wanted")
            return sa.select(*columns).join_from(wanted, table.instances, T.id == wanted.c.id).order_by(*by)
        return sa.select(*columns).where(*where).order_by(*by).limit(self._count)


class Stream:
    """The rows of one cell in the page's order that it was asked for; ``refill`` gets those after a row."""

    def __init__(self, cell: Cell, chunk: Chunk, refill: Callable[[dict[str, Any]], Chunk]) -> None:
        self.cell, self.chunk, self._refill = cell, chunk, refill

    @property
    def open(self) -> bool:
        """There may be rows after those that are known."""
        return self.chunk.more and len(self.chunk) > 0

    def last(self, order: Order) -> dict[str, Any]:
        """What sorts the last row that is known."""
        return {name: self.chunk.columns[name][-1] for name, _ in order}

    def go_on(self, order: Order) -> None:
        self.chunk = self._refill(self.last(order))


def key_of(order: Order) -> Key:
    """What sorts rows. When all columns go down, so does the key (see :func:`downwards`), and nothing has to be turned
    round."""
    down = downwards(order)

    def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return next(_keys(order, down, {name: (row[name],) for name, _ in order}))

    return key


def _keys(order: Order, down: bool, columns: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """The keys of all rows."""
    parts: list[Iterable[Any]] = []
    for name, direction in order:
        part: Iterable[Any] = columns[name]
        if T[name].nullable:
            part = map(sort_value, part)
        parts.append(map(Reverse, part) if direction == "desc" and not down else part)
    return zip(*parts, strict=True)


def downwards(order: Order) -> bool:
    return all(direction == "desc" for _, direction in order)


def merge(waiting: list[dict[str, Any]], streams: Sequence[Stream], query: Query,
          details: bool) -> dict[str, Sequence[Any]]:
    """The first rows of all streams, column by column. A server between two databases is in both for a moment: shown
    once.

    What is in hand is sorted at once, which for runs that are sorted is one pass. It is sure up to the last row of the
    first stream that may go on; that one is asked again when the page is not full by then. Raises what a refill raises.
    """
    order = query.order
    key, down = key_of(order), downwards(order)
    shelf = _Shelf(query, details)
    last = -1 if down else len(streams)  # so that the cell's row of one that is in both comes first
    hand = shelf.add(Chunk({name: [row.get(name) for row in waiting] for name in names_of(query, details)}, False),
                     None, last)
    fresh = list(enumerate(streams))
    chosen: dict[str, int] = {}
    while True:
        for number, stream in fresh:
            hand += shelf.add(stream.chunk, stream.cell, number)
        hand.sort(reverse=down)
        edges = [(key(stream.last(order)), number) for number, stream in enumerate(streams) if stream.open]
        edge = (max if down else min)(edges, default=None)
        sure = len(hand) if edge is None else next(i for i, e in enumerate(hand, 1) if e[:2] == edge)
        for _, _, at in hand[:sure]:
            chosen.setdefault(shelf.uuids[at], at)
            if len(chosen) == query.limit:
                return shelf.columns(list(chosen.values()))
        if edge is None:
            return shelf.columns(list(chosen.values()))
        hand, fresh = hand[sure:], [(edge[1], streams[edge[1]])]
        fresh[0][1].go_on(order)


class _Shelf:
    """What a page is made of: chunks, whose rows have one number each. Equal JSON texts, such as flavors, become one
    object of the page, which views only read."""

    def __init__(self, query: Query, details: bool) -> None:
        self._order, self._down, self._details = query.order, downwards(query.order), details
        self._names = names_of(query, details)
        self._chunks: list[tuple[Chunk, Cell | None]] = []
        self.uuids: list[str] = []

    def add(self, chunk: Chunk, cell: Cell | None, stream: int) -> list[tuple[tuple[Any, ...], int, int]]:
        """Take a chunk in; ``cell`` None: of servers that none has yet. (Key, number of its stream, number) of each of
        its rows."""
        first = len(self.uuids)
        self._chunks.append((chunk, cell))
        self.uuids += chunk.columns["uuid"]
        return [(key, stream, at) for at, key in enumerate(_keys(self._order, self._down, chunk.columns), first)]

    def columns(self, chosen: Sequence[int]) -> dict[str, Sequence[Any]]:
        """The rows of these numbers, with what follows from their columns and stands beside them."""
        found = {name: self._picked(chosen, [chunk.columns[name] for chunk, _ in self._chunks if len(chunk)])
                 for name in self._names}
        for name in _RAW.keys() & found.keys():
            found[name] = self._parsed(found[name])
        homes = [[cell.uuid if cell else None] * len(chunk) for chunk, cell in self._chunks]
        found["cell_uuid"] = self._picked(chosen, homes)
        if self._details:
            faults = {uuid: fault for chunk, _ in self._chunks for uuid, fault in chunk.faults.items()}
            volumes = {uuid: some for chunk, _ in self._chunks for uuid, some in chunk.volumes.items()}
            found["fault"] = list(map(faults.get, found["uuid"]))
            found["volumes"] = [volumes.get(uuid, []) for uuid in found["uuid"]]
            known = found.get("name") or [None] * len(chosen)
            found["name"] = [table.guest_name(number, name) if home else name for number, name, home
                             in zip(found["id"], known, found["cell_uuid"], strict=True)]
        return found

    @staticmethod
    def _picked(chosen: Sequence[int], parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
        values = list(itertools.chain.from_iterable(parts))
        return operator.itemgetter(*chosen)(values) if len(chosen) > 1 else [values[at] for at in chosen]

    @staticmethod
    def _parsed(texts: Sequence[Any]) -> Sequence[Any]:
        """The values of a column of JSON, as far as nobody has read them: some drivers do."""
        if {type(text) for text in texts} - {str, type(None)}:
            return [orjson.loads(text) if isinstance(text, str) else text for text in texts]
        if len(set(texts)) > len(texts) // 2:
            found: list[Any] = orjson.loads(f"[{','.join([text or 'null' for text in texts])}]")
            return found
        known = {text: orjson.loads(text) for text in set(texts) - {None}}
        return [None if text is None else known[text] for text in texts]


def finish(row: dict[str, Any], faults: dict[str, Any], volumes: dict[str, Any]) -> None:
    """Add the guest's name, fault and volumes to a row."""
    row["name"] = table.guest_name(row["id"], row.get("name"))
    row["fault"] = faults.get(row["uuid"])
    row["volumes"] = volumes.get(row["uuid"], [])


def following(rows: list[dict[str, Any]], marker: dict[str, Any] | None, query: Query) -> list[dict[str, Any]]:
    """Plain rows in the page's order, those after the marker."""
    key, down = key_of(query.order), downwards(query.order)
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
