# SPDX-License-Identifier: Apache-2.0
"""A seed replays: the same seed gives the same interleaving, kills and losses, event for event."""

from __future__ import annotations

from pathlib import Path

from nova import concurrency
from nova.concurrency.simulation import Simulation
from tests.simulation.chaos import Chaos
from tests.simulation.test_create_delete import story


def run(seed: int, path: Path) -> tuple[list[tuple[float, str, str]], int]:
    path.mkdir()
    sim = Simulation(seed)
    chaos: list[Chaos] = []

    def one() -> None:
        chaos.append(Chaos(sim, path))
        story(chaos[0])

    try:
        with concurrency.using(sim):
            sim.run(one)
    finally:
        sim.close()
    return sim.trace, chaos[0].kills


def test_a_seed_replays(tmp_path: Path) -> None:
    seed = 2
    first, kills = run(seed, tmp_path / "a")
    second, _ = run(seed, tmp_path / "b")
    assert kills > 0
    assert first == second
