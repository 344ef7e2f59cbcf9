# SPDX-License-Identifier: Apache-2.0
"""Changes that arrive while one is under way are made together, and one that fails fails alone."""

from __future__ import annotations

import threading

import pytest

from nova.network.batch import Batch


def test_waiting_changes_share_one() -> None:
    entered, go = threading.Event(), threading.Event()
    made: list[dict[str, int]] = []

    def apply(changes: dict[str, int]) -> None:
        made.append(changes)
        entered.set()
        assert go.wait(120)

    batch: Batch[str, int] = Batch(apply)
    first = threading.Thread(target=batch.submit, args=({"a": 1},))
    first.start()
    assert entered.wait(120)
    others = [threading.Thread(target=batch.submit, args=({name: 2},)) for name in "bcd"]
    for thread in others:
        thread.start()
    while len(batch._waiting) < 3:
        threading.Event().wait(0.01)
    go.set()
    for thread in [first, *others]:
        thread.join(120)
    assert made == [{"a": 1}, {"b": 2, "c": 2, "d": 2}]


def test_bad_change_fails_alone() -> None:
    made: list[dict[str, int]] = []
    outcome: dict[str, str] = {}
    gate = threading.Event()

    def apply(changes: dict[str, int]) -> None:
        assert gate.wait(120)
        if "bad" in changes:
            raise ValueError("bad")
        made.append(changes)

    batch: Batch[str, int] = Batch(apply)

    def submit(name: str) -> None:
        try:
            batch.submit({name: 1})
            outcome[name] = "made"
        except ValueError:
            outcome[name] = "refused"

    threads = [threading.Thread(target=submit, args=(name,)) for name in ("x", "bad", "good")]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(120)
    assert outcome == {"x": "made", "bad": "refused", "good": "made"}
    assert sorted(name for changes in made for name in changes) == ["good", "x"]
    with pytest.raises(ValueError, match="bad"):
        batch.submit({"bad": 1})
    batch.submit({})
