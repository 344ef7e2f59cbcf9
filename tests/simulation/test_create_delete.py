# SPDX-License-Identifier: Apache-2.0
"""Create, power and delete under the simulation: whatever is lost and whoever dies, all ends and nothing leaks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from tests.simulation.chaos import Chaos

FIRST = int(os.environ.get("NOVA_TEST_FIRST_SEED", "1"))
SEEDS = int(os.environ.get("NOVA_TEST_SEEDS", "50"))


def press(chaos: Chaos, uuid: str) -> None:
    """One of the power buttons; most states refuse most of them."""
    operations, context = chaos.cloud.operations, chaos.cloud.context()
    button = chaos.sim.rng.choice(["start", "stop", "SOFT", "HARD", "HARD"])
    try:
        if button in ("SOFT", "HARD"):
            operations.reboot(context, uuid, button)  # type: ignore[arg-type]
        else:
            getattr(operations, button)(context, uuid)
    except (errors.Conflict, errors.NotFound):
        return


def story(chaos: Chaos) -> None:
    sim = chaos.sim
    chaos.start()
    concurrency.spawn(chaos.revive, name="revive")
    chaos.cloud.wait_ready(timeout=120)
    chaos.faults.drop = sim.rng.choice([0.0, 0.2, 1.0])
    chaos.faults.duplicate = sim.rng.choice([0.0, 0.3])
    chaos.faults.delay = sim.rng.choice([0.0, 0.2, 3.0])
    chaos.faults.lose_call = sim.rng.choice([0.0, 0.05])
    chaos.rate, chaos.budget = sim.rng.choice([0.02, 0.05, 0.2]), sim.rng.randrange(1, 9)
    if sim.rng.random() < 0.4:
        chaos.conf.set_override("fail_at", [sim.rng.choice(["spawn:1", "spawn:2", "spawn", "destroy:1"])], "fake")
    servers: list[str] = []
    deleted: set[str] = set()
    for _ in range(4):
        servers += chaos.cloud.boot(count=sim.rng.randrange(1, 3))
        concurrency.sleep(sim.rng.uniform(0, 4))
        if sim.rng.random() < 0.6:
            victim = sim.rng.choice(servers)
            try:
                chaos.cloud.operations.delete(chaos.cloud.context(), victim)
            except errors.NotFound:
                assert victim in deleted
            deleted.add(victim)
        for _ in range(sim.rng.randrange(0, 3)):
            press(chaos, sim.rng.choice(servers))
            concurrency.sleep(sim.rng.uniform(0, 2))
    chaos.settle()
    for victim in sorted(deleted):  # a host that refused once made the delete fail with a reason: asked again it works
        row = chaos.cloud.server(victim)
        if row is not None:
            assert row["vm_state"] == "error" and row["fault"]["message"] == "Told to fail at destroy.", row
            chaos.cloud.operations.delete(chaos.cloud.context(), victim)
    chaos.settle()
    chaos.check(servers, deleted)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_all_ends_and_nothing_leaks(seed: int, tmp_path: Path) -> None:
    sim = Simulation(seed)
    try:
        with concurrency.using(sim):
            sim.run(lambda: story(Chaos(sim, tmp_path, cells=sim.rng.choice([1, 2]))), limit=3600)
    finally:
        sim.close()
