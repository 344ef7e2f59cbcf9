# SPDX-License-Identifier: Apache-2.0
"""The broker loses everything, is away for a while, or takes no messages that only make things fast: all ends well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash import cases
from tests.crash.cluster import PATIENT, Cluster
from tests.crash.daemon import DEAF
from tests.services.rabbitmq import RabbitMQ


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    """One of our own: it will be stopped."""
    made = RabbitMQ()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def cluster(broker: RabbitMQ) -> Iterator[Cluster]:
    made = Cluster("postgresql", PATIENT, broker=broker).start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").traps.clear()


@pytest.mark.parametrize("where", ["step:create.schedule:before", "step:create.dispatch:after", "fake.spawn"])
def test_wiped_in_mid_build(cluster: Cluster, where: str) -> None:
    cluster.traps.arm(where, "hold")
    uuid = cluster.user.create()
    cluster.wait(lambda: cluster.traps.fired(where), 180, f"the build is at {where}")
    for vhost in cluster.vhosts.values():
        cluster.broker.wipe(vhost)
    cluster.traps.disarm(where)
    cluster.settle(uuid, cases.ACTIVE, f"the broker was wiped at {where}")
    cluster.check("after the wipe")


def test_wiped_in_mid_delete(cluster: Cluster) -> None:
    uuid = cluster.user.create()
    cluster.settle(uuid, cases.ACTIVE, "a server")
    cluster.traps.arm("step:delete.destroy:before", "hold")
    cluster.user.delete(uuid)
    cluster.wait(lambda: cluster.traps.fired("step:delete.destroy:before"), 180, "the delete is at its host")
    for vhost in cluster.vhosts.values():
        cluster.broker.wipe(vhost)
    cluster.traps.disarm("step:delete.destroy:before")
    cluster.settle(uuid, cases.GONE, "the broker was wiped")
    cluster.check("after the wipe")


def test_away_for_a_while(cluster: Cluster, broker: RabbitMQ) -> None:
    """What is accepted meanwhile is done when it is back, and so is what a host could not report."""
    old = cluster.user.create()
    cluster.settle(old, cases.ACTIVE, "a server")
    cluster.traps.arm("fake.spawn", "hold")
    building = cluster.user.create()
    cluster.wait(lambda: cluster.traps.fired("fake.spawn"), 180, "a build is at its host")
    broker.stop()
    cluster.traps.disarm("fake.spawn")
    new = cluster.user.create()
    cluster.user.delete(old)
    broker.start()
    cluster.settle(building, cases.ACTIVE, "the build that could not be reported")
    cluster.settle(new, cases.ACTIVE, "accepted while the broker was away")
    cluster.settle(old, cases.GONE, "deleted while the broker was away")
    cluster.check("after the broker came back")


def test_all_nudges_lost() -> None:
    cluster = Cluster("sqlite", PATIENT, environment={DEAF: "1"}).start()
    try:
        first, second = cluster.user.create(), cluster.user.create()
        for uuid in (first, second):
            cluster.settle(uuid, cases.ACTIVE, "created without a nudge")
        cluster.user.delete(first)
        cluster.traps.arm("fake.spawn", "fail first")
        third = cluster.user.create()
        cluster.settle(first, cases.GONE, "deleted without a nudge")
        cluster.settle(third, cases.ACTIVE, "built on the second host without a nudge")
        cluster.check("without nudges")
    finally:
        cluster.stop()
