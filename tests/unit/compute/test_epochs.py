# SPDX-License-Identifier: Apache-2.0
"""The epochs that a host has seen: lower ones are refused, also after a restart or a line that was cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova import concurrency
from nova.compute.epochs import Epochs
from nova.concurrency.simulation import Simulation


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "epochs"


def test_lower_ones_are_refused_and_the_same_is_not(path: Path) -> None:
    epochs = Epochs(path)
    assert [epochs.admit("s", e) for e in (3, 3, 2, 4, 3)] == [True, True, False, True, False]
    assert epochs.admit("other", 0)


def test_a_restart_remembers(path: Path) -> None:
    Epochs(path).admit("s", 7)
    again = Epochs(path)
    assert not again.admit("s", 6) and again.admit("s", 7)


@pytest.mark.parametrize("cut", [2, 5, 16])
def test_a_last_line_that_was_cut_off_is_nothing(path: Path, cut: int) -> None:
    epochs = Epochs(path)
    epochs.admit("server-one", 5)
    epochs.admit("server-two", 9)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Epochs(path)
    assert not again.admit("server-one", 4) and again.admit("server-one", 5)
    assert again.admit("server-two", 9)


def test_what_is_written_after_a_line_that_was_cut_off_counts(path: Path) -> None:
    epochs = Epochs(path)
    epochs.admit("server-one", 5)
    path.write_bytes(path.read_bytes()[:-4])
    Epochs(path).admit("server-two", 9)
    assert not Epochs(path).admit("server-two", 8)


def test_a_server_that_is_gone_is_forgotten_when_no_message_of_it_can_come_any_more(path: Path) -> None:
    def story() -> None:
        epochs = Epochs(path)
        epochs.admit("s", 7)
        epochs.forget("s")
        epochs.forget("never here")
        concurrency.sleep(600)
        epochs.forget("other")
        assert not epochs.admit("s", 6)
        concurrency.sleep(600)
        epochs.forget("another")
        assert epochs.admit("s", 6)

    simulated(story)


def test_the_file_does_not_grow_for_ever(path: Path) -> None:
    def story() -> None:
        epochs = Epochs(path)
        for number in range(1500):
            epochs.admit(f"s{number}", 1)
            if number >= 3:
                epochs.forget(f"s{number}")
                concurrency.sleep(60)

    simulated(story)
    assert len(path.read_bytes().splitlines()) < 1100
    assert not Epochs(path).admit("s0", 0)


def simulated(story: Callable[[], None]) -> None:
    sim = Simulation(1)
    with concurrency.using(sim):
        sim.run(story, limit=1e6)
    sim.close()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20))))
def test_never_one_below_the_highest(tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int]]) -> None:
    path = tmp_path_factory.mktemp("epochs") / "epochs"
    highest: dict[str, int] = {}
    for server, epoch in story:
        admitted = Epochs(path).admit(server, epoch)
        assert admitted == (epoch >= highest.get(server, -1))
        highest[server] = max(epoch, highest.get(server, -1))
