# SPDX-License-Identifier: Apache-2.0
"""Which part of the cloud one look of the audit is about: everything, a slice of all keys, or certain keys.

A key is the uuid of a server, port or resource provider, or the id of a project: whatever a row belongs to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

_STEPS = 0x10000


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """``keys``, or else all from ``first`` on and before ``last``; None is the end."""

    keys: frozenset[str] | None = None
    first: str | None = None
    last: str | None = None

    def where(self, column: Any) -> sa.ColumnElement[bool]:
        """The condition that a row whose key is ``column`` is looked at."""
        if self.keys is not None:
            return sa.and_(column.in_(sorted(self.keys)))
        bounds = [bound for bound in (None if self.first is None else column >= self.first,
                                      None if self.last is None else column < self.last) if bound is not None]
        return sa.and_(sa.true(), *bounds)


EVERYTHING = Scope()


def slices(count: int) -> list[Scope]:
    """``count`` parts that cover every key once; uuids fall evenly into them."""
    bounds: list[str | None] = [f"{_STEPS * i // count:04x}" for i in range(1, count)]
    return [Scope(None, first, last) for first, last in zip([None, *bounds], [*bounds, None], strict=True)]


def among(keys: set[str], size: int = 500) -> Iterator[Scope]:
    """Scopes of at most ``size`` of the keys each."""
    rest = sorted(keys)
    for first in range(0, len(rest), size):
        yield Scope(frozenset(rest[first:first + size]))
