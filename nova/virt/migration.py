# SPDX-License-Identifier: Apache-2.0
"""The values of a live migration that pass between a host's workflow and its driver."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from nova import concurrency

#: What may be said to a migration while it runs.
ABORT, FORCE_COMPLETE = "abort", "force_complete"


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """``block_migration``: copy the disks, share them, or (None) whichever these hosts need. ``operation`` is a word
    that both hosts know the migration by."""

    operation: str
    block_migration: bool | None = None
    disk_over_commit: bool = False

    @classmethod
    def of(cls, operation: str, inputs: Mapping[str, Any]) -> Wishes:
        block = inputs.get("block_migration")
        return cls(operation, block if isinstance(block, bool) else None, bool(inputs.get("disk_over_commit")))


@dataclasses.dataclass(frozen=True, slots=True)
class Counters:
    """How far a migration is, in bytes."""

    memory_total: int = 0
    memory_processed: int = 0
    memory_remaining: int = 0
    disk_total: int = 0
    disk_processed: int = 0
    disk_remaining: int = 0

    @property
    def percent(self) -> int:
        total = self.memory_total + self.disk_total
        rest = self.memory_remaining + self.disk_remaining
        return max(0, min(99, 100 * (total - rest) // total)) if total else 0

    def as_dict(self) -> dict[str, int]:
        """In the words of the migrations API."""
        return {f"{f.name}_bytes": int(getattr(self, f.name)) for f in dataclasses.fields(self)}


#: The words of :meth:`Counters.as_dict`.
WORDS = frozenset(Counters().as_dict())


class Watch(Protocol):
    """Whoever watches a migration: hears how far it is, and says what is wanted of it. Both raise what ends the
    migration from outside, like :class:`errors.Stale`; a driver then breaks it off and lets the error through."""

    def report(self, counters: Counters) -> None: ...

    def wanted(self, seconds: float) -> frozenset[str]:
        """Wait so long, or until there is something new; what was said so far."""
        ...


class Unwatched:
    """For a migration that nobody says anything to."""

    def report(self, counters: Counters) -> None:
        return None

    def wanted(self, seconds: float) -> frozenset[str]:
        concurrency.sleep(seconds)
        return frozenset()
