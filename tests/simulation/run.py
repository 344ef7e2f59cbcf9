# SPDX-License-Identifier: Apache-2.0
"""Runs one story on one seed: it ends, no task of ours ended by an error, nothing was logged as one."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova import concurrency
from nova.concurrency.simulation import Simulation
from tests.simulation.chaos import Chaos
from tests.simulation.complaints import Complaints

Story = Callable[[Chaos], None]


@functools.cache
def _freeze() -> None:
    """What the first seed has loaded and compiled stays to the end: no collection needs to look through it again."""
    gc.collect()
    gc.freeze()


def play(seed: int, path: Path, story: Story, replay: str = "", **options: Any) -> tuple[Simulation, Chaos]:
    """The simulation and the chaos at the story's end. What fails carries ``replay``, the command that plays it again.

    ``options`` are those of :class:`Chaos`; a callable gets the simulation's random numbers.
    """
    sim = Simulation(seed)
    made: list[Chaos] = []

    def begin() -> None:
        drawn = {k: v(sim.rng) if callable(v) else v for k, v in options.items()}
        made.append(Chaos(sim, path, **drawn))
        story(made[0])

    try:
        with concurrency.using(sim), Complaints() as complaints:
            sim.run(begin, limit=3600)
            complaints.check()
            assert sim.errors == []
    except BaseException as e:
        e.add_note(f"seed {seed} fails; it is played again by:\n  {replay}")
        raise
    finally:
        sim.close()
        _freeze()
    return sim, made[0]
