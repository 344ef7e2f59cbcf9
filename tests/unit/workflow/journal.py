# SPDX-License-Identifier: Apache-2.0
"""A journal in memory that obeys the rules of the protocol, and a world that steps have effects in."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from nova import errors
from nova.workflow import Row


class Crash(BaseException):
    """The process dies here: nothing of it runs on."""


@dataclasses.dataclass
class MemoryJournal:
    """One row. An ``effect`` is a function of the world; it and the record take place together or not at all.

    ``before`` and ``after`` are told the name of each write; they may raise.
    """

    stored: Row
    world: set[str] = dataclasses.field(default_factory=set)
    log: list[str] = dataclasses.field(default_factory=list)
    before: Callable[[str], None] = staticmethod(lambda what: None)
    after: Callable[[str], None] = staticmethod(lambda what: None)
    delays: list[float] = dataclasses.field(default_factory=list)

    def take(self) -> Row:
        self.stored.epoch += 1
        self.stored.owner = f"owner{self.stored.epoch}"
        return copy.deepcopy(self.stored)

    def _write(self, row: Row, what: str, effect: Any = None, **values: Any) -> dict[str, Any]:
        self.before(what)
        if row.epoch != self.stored.epoch or self.stored.state not in ("open", "undoing"):
            raise errors.Stale("another owner")
        world, data = set(self.world), dict(values.get("step_data", row.step_data))
        if effect is not None:
            data |= effect(world) or {}
        self.world = world
        if "step_data" in values:
            values["step_data"] = data
        for name, value in values.items():
            setattr(self.stored, name, copy.deepcopy(value))
        self.log.append(what)
        self.after(what)
        return copy.deepcopy(data)

    def advance(self, row: Row, *, step: str, data: dict[str, Any], effect: Any, event: dict[str, Any] | None,
                state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        given = {"fault": fault} if fault else {}
        return self._write(row, f"{state}:{step}", effect, step=step, step_data=data, state=state, **given)

    def hand(self, row: Row, *, level: str, host: str | None, step: str, data: dict[str, Any], effect: Any,
             event: dict[str, Any] | None, state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        given = {"fault": fault} if fault else {}
        return self._write(row, f"{state}:{step}@{level}", effect, level=level, host=host, step=step, step_data=data,
                           state=state, owner=None, **given)

    def finish(self, row: Row, *, state: str, data: dict[str, Any], effect: Any, event: dict[str, Any] | None,
               fault: dict[str, Any] | None = None) -> dict[str, Any]:
        given = {"fault": fault} if fault else {}
        return self._write(row, state, effect, step_data=data, state=state, owner=None, **given)

    def release(self, row: Row, *, delay: float) -> None:
        self._write(row, "release", owner=None)
        self.delays.append(delay)
