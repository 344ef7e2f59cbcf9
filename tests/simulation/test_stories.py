# SPDX-License-Identifier: Apache-2.0
"""The main stories of the functional suite under the simulation: two cells, power, failures, with a bad network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import concurrency
from nova.placement import claims
from tests.functional import stories, truth
from tests.simulation import matrix
from tests.simulation.chaos import Chaos
from tests.simulation.failures import CONF, WANTS, Failures


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


@pytest.mark.parametrize("button", ["live migrate", "migrate", "resize", "evacuate"])
def test_a_delete_gives_back_what_a_move_claimed_and_did_not_record(button: str,
                                                                    simulate: Callable[..., object]) -> None:
    """Who claimed dies before the step is recorded, and is away when the server is deleted."""
    def story(chaos: Chaos) -> None:
        sim, cloud, killed = chaos.sim, chaos.cloud, chaos.sim.on_kill
        chaos.begin()
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")

        def claimed(label: str, node: str) -> bool:
            if (node, label) != ("orchestrator", "committed:api"):
                return False
            with cloud.api.read() as conn:
                return bool(claims.allocations_of(conn, [row["uuid"] for row in chaos.open_rows()]))

        def stay_away(node: str) -> None:
            killed(node)
            chaos.down[node] = sim.clock + 1000

        sim.crash, sim.on_kill = claimed, stay_away
        matrix.press(chaos, button, uuid)
        cloud.wait(lambda: "orchestrator" in chaos.down, timeout=60)
        cloud.operations.delete(cloud.context(), uuid)
        sim.crash = lambda label, node: False
        chaos.settle()
        chaos.check([uuid], {uuid})

    simulate(1, story, hosts=3)


def test_an_evacuation_that_fails_leaves_the_claim_where_the_server_is(simulate: Callable[..., object]) -> None:
    """It ends a move whose target is away: what the server held there is free, whatever becomes of the evacuation."""
    def story(chaos: Chaos) -> None:
        sim, cloud, killed = chaos.sim, chaos.cloud, chaos.sim.on_kill
        chaos.begin()
        uuid = cloud.boot()[0]
        cloud.wait_state(uuid, "active")

        def stay_away(node: str) -> None:
            killed(node)
            chaos.down[node] = sim.clock + 1000

        sim.crash, sim.on_kill = lambda label, node: label == "step:migrate.prep:before", stay_away
        matrix.press(chaos, "migrate", uuid)
        cloud.wait(lambda: chaos.down, timeout=60)
        chaos.refuse("spawn")
        matrix.press(chaos, "evacuate", uuid)
        chaos.settle()
        assert truth.actions(cloud, uuid)[-1] == ("evacuate", "failed")
        chaos.check([uuid], set())

    simulate(1, story, hosts=3)


def test_a_host_that_returns_in_the_middle_keeps_what_has_not_left(simulate: Callable[..., object]) -> None:
    """Its guests start with it, so nobody may start them elsewhere any more."""
    def story(chaos: Chaos) -> None:
        cloud, failures = chaos.cloud, Failures(chaos)
        failures.begin()
        dies = chaos.sim.crash
        servers = cloud.boot(count=12, metadata=WANTS)
        homes = [cloud.wait_state(uuid, "active")["host"] for uuid in servers]
        failed = max(set(homes), key=homes.count)

        def passed(label: str, node: str) -> bool:
            if label == "step:evacuate.rebuild:before" and failed in chaos.down:
                chaos.down[failed] = chaos.sim.clock
            return dies(label, node)

        chaos.sim.crash = passed
        failures.switch_off(failed)
        chaos.down[failed] = chaos.sim.clock + 1000
        cloud.wait(lambda: failed not in chaos.down and not chaos.open_drains() and not chaos.open_fences()
                   and not chaos.open_rows(), timeout=300)
        chaos.settle()
        assert {cloud.server(uuid)["host"] for uuid in servers} == {"host1", "host2", "host3"}  # type: ignore[index]
        chaos.check(servers, set())

    simulate(1, story, hosts=3, options=CONF | {"ha.parallel": 1, "resume_guests_state_on_host_boot": True})
