# SPDX-License-Identifier: Apache-2.0
"""Holds a task of ours where it passes certain checkpoints, so that a race is played the same way each time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from nova.concurrency import threads


class Hold:
    """Tasks that stand still, at most ``several`` of them."""

    def __init__(self, labels: tuple[str, ...], several: int) -> None:
        self._labels, self._several = labels, several
        self._changed = threading.Condition()
        self._passed: dict[int, int] = {}
        self._held = 0
        self._open = False

    def reached(self, number: int = 1, seconds: float = 120.0) -> None:
        """Wait until that many stand here."""
        with self._changed:
            there = self._changed.wait_for(lambda: self._held >= number, seconds)
        assert there, f"{self._held} of {number} passed {' → '.join(self._labels)}"

    def release(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def meet(self, label: str) -> None:
        """A task passes a checkpoint."""
        me = threading.get_ident()
        with self._changed:
            at = self._passed.get(me, 0)
            at = at + 1 if label == self._labels[at] else int(label == self._labels[0]) or at
            self._passed[me] = at % len(self._labels)
            if at < len(self._labels) or self._open or self._held >= self._several:
                return
            self._held += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open, 300)


class Pauses:
    """What the fixture of that name gives."""

    def __init__(self) -> None:
        self._holds: list[Hold] = []

    @contextlib.contextmanager
    def at(self, *labels: str, several: int = 1) -> Iterator[Hold]:
        """The first tasks that pass all these checkpoints, one after the other, stand still until the block ends or
        they are released. ``step:create.record:before`` then ``write:cell1``: before that step writes into cell1."""
        hold = Hold(labels, several)
        self._holds.append(hold)
        threads.observer = self._meet
        try:
            yield hold
        finally:
            hold.release()
            self._holds.remove(hold)
            if not self._holds:
                threads.observer = None

    def _meet(self, label: str) -> None:
        for hold in tuple(self._holds):
            hold.meet(label)
