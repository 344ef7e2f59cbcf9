# SPDX-License-Identifier: Apache-2.0
"""Servers through their whole life: any operation at any time, on hosts that die, over a bus that loses and repeats."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from nova import concurrency, errors
from tests.simulation.buttons import BUTTONS, Button, press
from tests.simulation.chaos import Chaos
from tests.simulation.failures import CONF, WANTS, Failures
from tests.simulation.operators import OPERATOR

FIRST = int(os.environ.get("NOVA_TEST_FIRST_SEED", "1"))
SEEDS = 3 * int(os.environ.get("NOVA_TEST_SEEDS", "50"))
#: So many more with an operator's hand in it.
OPERATED = max(SEEDS // 15, 1)
#: So many more in which a host stops for good. Nobody says there of a host that it is down who has not looked.
FAILING = max(SEEDS // 15, 1)
HONEST = {name: button for name, button in BUTTONS.items() if name != "evacuate"}


def life(chaos: Chaos, *tables: dict[str, Button], failures: Failures | None = None) -> None:
    """Three servers; a dozen buttons, also while others are under way; in the end some are deleted."""
    sim, cloud = chaos.sim, chaos.cloud
    (failures or chaos).begin()
    wanting = {uuid for _ in range(2) for uuid in cloud.boot(metadata=WANTS)} if failures else set()
    servers = [*sorted(wanting), *(uuid for _ in range(3 - len(wanting)) for uuid in cloud.boot())]
    for uuid in servers:
        cloud.wait(lambda uuid=uuid: cloud.server(uuid)["task_state"] is None, timeout=120)  # type: ignore[index]
    chaos.strike()
    deleted: set[str] = set()
    presses = sim.rng.randrange(6, 14)
    fails_at = sim.rng.randrange(presses) if failures else None
    for number in range(presses):
        if failures and number == fails_at:
            failures.strike()
        press(chaos, sim.rng.choice(servers), sim.rng.choice(tables) if tables else BUTTONS)
        concurrency.sleep(sim.rng.choice([0.0, 0.05, sim.rng.uniform(0, 6)]))
    for uuid in servers:
        if sim.rng.random() < 0.4:
            try:
                cloud.operations.delete(cloud.context(), uuid)
            except errors.NotFound:
                assert uuid in deleted
            deleted.add(uuid)
    if failures:
        failures.follow(wanting - deleted)
    chaos.settle()
    chaos.insist(deleted)
    chaos.check(servers, deleted)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_whatever_is_done_ends_and_nothing_leaks(seed: int, simulate: Callable[..., object]) -> None:
    simulate(seed, life, hosts=3, offload=lambda rng: rng.choice([0, -1]))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + OPERATED))
def test_whatever_an_operator_does_to_it_all_ends(seed: int, simulate: Callable[..., object]) -> None:
    simulate(seed, lambda chaos: life(chaos, BUTTONS, OPERATOR), hosts=3, offload=lambda rng: rng.choice([0, -1]))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + FAILING))
def test_servers_that_want_it_leave_a_host_that_stops_for_good(seed: int, simulate: Callable[..., object]) -> None:
    def options(rng: random.Random) -> dict[str, object]:
        return CONF | {"ha.fence_after": rng.choice([0.0, 10.0]),
                       "resume_guests_state_on_host_boot": rng.random() < 0.5}

    simulate(seed, lambda chaos: life(chaos, HONEST, OPERATOR, failures=Failures(chaos)), hosts=3, options=options)
