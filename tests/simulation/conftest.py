# SPDX-License-Identifier: Apache-2.0
"""Plays stories on seeds, and says at the end how many that were and how many in a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova.concurrency.simulation import Simulation
from tests.simulation.chaos import Chaos
from tests.simulation.run import Story, play

_BEGAN = time.monotonic()
_SIMULATED, _KILLS = "simulated seconds", "kills"


@pytest.fixture
def simulate(request: pytest.FixtureRequest, tmp_path: Path,
             record_property: Callable[[str, object], None]) -> Callable[..., tuple[Simulation, Chaos]]:
    """``simulate(seed, story, cells=2)`` plays a story; see :func:`tests.simulation.run.play`. May be called again."""
    def run(seed: int, story: Story, **options: Any) -> tuple[Simulation, Chaos]:
        replay = f'NOVA_TEST_FIRST_SEED={seed} NOVA_TEST_SEEDS=1 python -m pytest "{request.node.nodeid}"'
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        path.mkdir()
        sim, chaos = play(seed, path, story, replay, **options)
        record_property(_SIMULATED, sim.monotonic())
        record_property(_KILLS, chaos.kills)
        return sim, chaos

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [pair for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, ()) if r.when == "call"
            for pair in r.user_properties]
    played = [float(value) for name, value in told if name == _SIMULATED]
    if played:
        seconds, kills = time.monotonic() - _BEGAN, sum(int(value) for name, value in told if name == _KILLS)
        terminalreporter.write_line(
            f"simulation: {len(played)} seeds in {seconds:.0f} s, {60 * len(played) / seconds:.0f} a minute; "
            f"{sum(played) / 60:.0f} minutes of simulated time, {kills} kills")
