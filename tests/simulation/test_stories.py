# SPDX-License-Identifier: Apache-2.0
"""The main stories of the functional suite under the simulation: two cells, power, failures, with a bad network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import concurrency
from tests.functional import stories
from tests.simulation.chaos import Chaos


def good(chaos: Chaos) -> None:
    """Nothing is lost."""


def doubled(chaos: Chaos) -> None:
    """Every cast comes twice, and late."""
    chaos.faults.duplicate, chaos.faults.delay = 1.0, 0.3


def deaf(chaos: Chaos) -> None:
    """No nudge arrives."""
    chaos.cloud.drop = lambda label: True


@pytest.mark.parametrize("network", [good, doubled, deaf])
@pytest.mark.parametrize("name", ["life", "failures"])
def test_main_story(name: str, network: Callable[[Chaos], None], simulate: Callable[..., object]) -> None:
    def story(chaos: Chaos) -> None:
        network(chaos)
        chaos.begin()
        getattr(stories, name)(chaos.cloud)

    simulate(1, story, cells=2, hosts=4)


@pytest.mark.parametrize("seed", range(1, 5))
def test_delete_while_building(seed: int, simulate: Callable[..., object]) -> None:
    """Builds take seconds; the servers of one request are deleted one after the other, while nodes die."""
    def story(chaos: Chaos) -> None:
        chaos.conf.set_override("delay", ["spawn:3"], "fake")
        chaos.begin()
        chaos.strike()
        servers = chaos.cloud.boot(count=8)
        for uuid in servers:
            chaos.pause(1.0)
            chaos.cloud.operations.delete(chaos.cloud.context(), uuid)
        chaos.settle()
        chaos.insist(set(servers))
        chaos.check(servers, set(servers))

    simulate(seed, story, cells=2, hosts=4)


def test_while_the_broker_is_away_nobody_is_judged(simulate: Callable[..., object]) -> None:
    """Hosts that cannot be heard are not dead: what is theirs waits for them."""
    def story(chaos: Chaos) -> None:
        chaos.begin()
        cloud = chaos.cloud
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")
        chaos.faults.down = True
        cloud.operations.delete(cloud.context(), uuid)
        concurrency.sleep(5 * cloud.conf.lease)
        assert [row["level"] for row in chaos.open_rows()] == ["host"]
        chaos.faults.down = False
        chaos.settle()
        chaos.check([uuid], {uuid})

    simulate(1, story)


def test_a_host_that_is_silent_while_the_broker_is_there_is_dead(simulate: Callable[..., object]) -> None:
    """Also the only one of its cell: a delete goes on without it."""
    def story(chaos: Chaos) -> None:
        chaos.begin()
        cloud = chaos.cloud
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")
        chaos.sim.kill("host1")
        chaos.down["host1"] = chaos.sim.clock + 1000
        cloud.operations.delete(cloud.context(), uuid)
        began = concurrency.monotonic()
        cloud.wait(lambda: not chaos.open_rows(), timeout=60)
        assert concurrency.monotonic() - began <= 2 * cloud.conf.lease + 2 * cloud.conf.report_interval
        chaos.settle()
        chaos.check([uuid], {uuid})

    simulate(1, story, hosts=1)
