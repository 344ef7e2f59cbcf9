# SPDX-License-Identifier: Apache-2.0
"""Positions in streams of server events: one number per database, and how a reader copes with numbers that become
visible out of their order. Pure: nothing is read here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping

_PART = re.compile(r"([0-9a-z]{1,8})\.([0-9]{1,16})\.([0-9]{1,18})")
#: More databases than any cloud has; what is longer is not a position of ours.
_MAX_PARTS = 1000
#: A number that is missing is waited for as long as a transaction may take, and no more are remembered than this.
GAP_SECONDS, _MAX_GAPS = 60.0, 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """``since``: the recording that the number belongs to; a pause in it starts another. Everything up to ``low`` was
    seen."""

    since: int
    low: int


def render(positions: Mapping[str, Position]) -> str:
    """``api.1732.12-ab12cd34.1732.7``."""
    return "-".join(f"{name}.{p.since}.{p.low}" for name, p in positions.items())


def parse(text: str) -> dict[str, Position] | None:
    """None: this is no position."""
    found: dict[str, Position] = {}
    parts = text.split("-")
    if len(parts) > _MAX_PARTS:
        return None
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None:
            return None
        found[match[1]] = Position(int(match[2]), int(match[3]))
    return found


class Cursor:
    """What a reader has seen of one database. A number is drawn when its row is inserted and seen when its transaction
    ends, so those that are skipped are asked for again until they appear or are older than any transaction."""

    def __init__(self, head: int) -> None:
        self.head = head
        self._gaps: dict[int, float] = {}

    @property
    def gaps(self) -> list[int]:
        return list(self._gaps)

    @property
    def low(self) -> int:
        """All up to here was seen, or will never be."""
        return next(iter(self._gaps)) - 1 if self._gaps else self.head

    def saw(self, ids: Iterable[int], now: float) -> None:
        """Numbers in rising order, as a read of ``head`` and ``gaps`` gave them."""
        for seen in ids:
            if seen <= self.head:
                self._gaps.pop(seen, None)
                continue
            for missing in range(max(self.head + 1, seen - _MAX_GAPS), seen):
                self._gaps[missing] = now
            self.head = seen
        self.forget(now)

    def forget(self, now: float) -> None:
        """Give up on numbers that will not come: their transactions were rolled back."""
        while self._gaps:
            oldest = next(iter(self._gaps))
            if len(self._gaps) <= _MAX_GAPS and now - self._gaps[oldest] < GAP_SECONDS:
                return
            del self._gaps[oldest]
