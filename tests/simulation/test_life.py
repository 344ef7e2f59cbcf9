# SPDX-License-Identifier: Apache-2.0
"""Servers through their whole life: any operation at any time, on hosts that die, over a bus that loses and repeats."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from nova import concurrency, errors
from tests.simulation.buttons import press
from tests.simulation.chaos import Chaos

FIRST = int(os.environ.get("NOVA_TEST_FIRST_SEED", "1"))
SEEDS = 3 * int(os.environ.get("NOVA_TEST_SEEDS", "50"))


def life(chaos: Chaos) -> None:
    """Three servers; a dozen buttons, also while others are under way; in the end some are deleted."""
    sim, cloud = chaos.sim, chaos.cloud
    chaos.begin()
    servers = [uuid for _ in range(3) for uuid in cloud.boot()]
    for uuid in servers:
        cloud.wait(lambda uuid=uuid: cloud.server(uuid)["task_state"] is None, timeout=120)  # type: ignore[index]
    chaos.strike()
    deleted: set[str] = set()
    for _ in range(sim.rng.randrange(6, 14)):
        press(chaos, sim.rng.choice(servers))
        concurrency.sleep(sim.rng.choice([0.0, 0.05, sim.rng.uniform(0, 6)]))
    for uuid in servers:
        if sim.rng.random() < 0.4:
            try:
                cloud.operations.delete(cloud.context(), uuid)
            except errors.NotFound:
                assert uuid in deleted
            deleted.add(uuid)
    chaos.settle()
    chaos.insist(deleted)
    chaos.check(servers, deleted)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_whatever_is_done_ends_and_nothing_leaks(seed: int, simulate: Callable[..., object]) -> None:
    simulate(seed, life, hosts=3, offload=lambda rng: rng.choice([0, -1]))
