# SPDX-License-Identifier: Apache-2.0
"""Create, power and delete under the simulation: whatever is lost and whoever dies, all ends and nothing leaks."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from nova import concurrency, errors
from tests.simulation.buttons import POWER, press
from tests.simulation.chaos import Chaos

FIRST = int(os.environ.get("NOVA_TEST_FIRST_SEED", "1"))
SEEDS = int(os.environ.get("NOVA_TEST_SEEDS", "50"))


def story(chaos: Chaos) -> None:
    """Four requests for one server or several; in between some are deleted, also such as are being built, and power
    buttons are pressed."""
    sim = chaos.sim
    chaos.begin()
    chaos.strike()
    servers: list[str] = []
    deleted: set[str] = set()
    for _ in range(4):
        servers += chaos.cloud.boot(count=sim.rng.choice([1, 1, 2, 4]))
        concurrency.sleep(sim.rng.choice([0.0, 0.05, sim.rng.uniform(0, 4)]))
        if sim.rng.random() < 0.6:
            victim = sim.rng.choice(servers)
            try:
                chaos.cloud.operations.delete(chaos.cloud.context(), victim)
            except errors.NotFound:
                assert victim in deleted
            deleted.add(victim)
        for _ in range(sim.rng.randrange(0, 3)):
            press(chaos, sim.rng.choice(servers), POWER)
            concurrency.sleep(sim.rng.uniform(0, 2))
    chaos.settle()
    chaos.insist(deleted)
    chaos.check(servers, deleted)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_all_ends_and_nothing_leaks(seed: int, simulate: Callable[..., object]) -> None:
    simulate(seed, story, cells=lambda rng: rng.choice([1, 2]))
