# SPDX-License-Identifier: Apache-2.0
"""A seed replays: the same seed gives the same interleaving, kills and losses, event for event. A failure says how."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nova import concurrency
from tests.simulation.chaos import Chaos
from tests.simulation.run import play
from tests.simulation.test_create_delete import story


def test_a_seed_replays(tmp_path: Path) -> None:
    traces = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sim, chaos = play(2, tmp_path / name, story)
        assert chaos.kills > 0
        traces.append(sim.trace)
    assert traces[0] == traces[1]


def test_an_error_that_only_a_log_tells_fails_its_seed(tmp_path: Path) -> None:
    def careless(chaos: Chaos) -> None:
        logging.getLogger("nova.somewhere").error("a loop ended by an error")

    with pytest.raises(AssertionError, match=r"nova\.somewhere: a loop ended by an error") as caught:
        play(7, tmp_path, careless, "python -m pytest …")
    assert caught.value.__notes__ == ["seed 7 fails; it is played again by:\n  python -m pytest …"]


def test_a_task_that_ends_by_an_error_fails_its_seed(tmp_path: Path) -> None:
    def fall() -> None:
        raise ZeroDivisionError

    def careless(chaos: Chaos) -> None:
        concurrency.spawn(fall).join()

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        play(7, tmp_path, careless)
