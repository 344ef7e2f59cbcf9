# SPDX-License-Identifier: Apache-2.0
"""Hundreds of creates and deletes at once, while a cell is silent: usage never passes the limit and never drifts."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.conductor.audit import Auditor
from nova.conductor.workflows import delete as conductor_delete
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.api.tables import operations as api_operations
from nova.operations import CreateRequest
from nova.store.journals import row_of
from tests import edges
from tests.functional import truth
from tests.functional.cloud import FLAVOR, IMAGE, Cloud, memory_cloud

LIMIT, MINE = 60, 7
REQUESTS, TASKS = 500, 20


@pytest.fixture(params=["sqlite", "postgresql"])
def accepting(request: pytest.FixtureRequest, tmp_path: Path, make_database: Callable[..., str]) -> Iterator[Cloud]:
    """Accepting alone: nothing is scheduled, so every server stays in the API database."""
    made: dict[str, str] = {}

    def url(name: str) -> str:
        if name not in made:
            made[name] = make_database(request.param, name)
        return made[name]

    cloud = memory_cloud(tmp_path, cells_count=2, conf_options={
        "quota__instances": LIMIT, "quota__cores": -1, "quota__ram": 10**9})
    cloud.make_url = url
    cloud.setup()
    cloud.start_api()
    yield cloud
    cloud.stop()


def boot(cloud: Cloud, context: RequestContext) -> str:
    created = cloud.operations.create(context, CreateRequest(name="s", flavor=FLAVOR, image=IMAGE))
    uuid: str = created.servers[0]["uuid"]
    return uuid


def patiently(work: Callable[[], object]) -> None:
    """Again while the database has no room for so many on a busy machine, as clients and conductors do."""
    while True:
        try:
            work()
        except errors.Unavailable:
            concurrency.sleep(0.5)
        else:
            return


def delete(cloud: Cloud, context: RequestContext, uuid: str) -> None:
    """Accepted, and carried out as a conductor does."""
    patiently(lambda: cloud.operations.delete(context, uuid))

    def withdraw(conn: sa.Connection) -> None:
        record = api_operations.open_of(conn, uuid)[0]
        conductor_delete._release_all(conn, row_of(record))
        mappings.delete_build_request(conn, uuid)

    patiently(lambda: cloud.api.run(withdraw))


def recount(cloud: Cloud, project: str, user: str | None = None) -> dict[str, int]:
    """What the mappings say, which is what the auditor compares with."""
    m = mappings.instance_mappings.c
    total: dict[str, int] = {}
    with cloud.api.read() as conn:
        where = [m.project_id == project, m.charge.is_not(None), *([m.user_id == user] if user else [])]
        for charge in conn.execute(sa.select(m.charge).where(*where)).scalars():
            for resource, amount in charge.items():
                total[resource] = total.get(resource, 0) + amount
    return total


def storm(cloud: Cloud, contexts: list[RequestContext], keep: Callable[[int], bool]) -> tuple[list[str], int, int]:
    """Every task creates and perhaps deletes; what is left, how many were refused, and the most that was ever used."""
    kept: list[str] = []
    refused: list[str] = []
    most: list[int] = []
    over = concurrency.Event()

    def work(task: int) -> None:
        context = contexts[task % len(contexts)]
        for number in range(REQUESTS // TASKS):
            try:
                uuid = boot(cloud, context)
            except errors.OverQuota as e:
                refused.append(e.message)
                continue
            if keep(number):
                kept.append(uuid)
            else:
                delete(cloud, context, uuid)

    def watch() -> None:
        while not over.wait(0.05):
            most.append(truth.usage(cloud).get("instances", 0))

    watcher = concurrency.spawn(watch)
    tasks = [concurrency.spawn(work, number) for number in range(TASKS)]
    assert all(task.join(300) for task in tasks)
    over.set()
    assert watcher.join(120)
    return kept, len(refused), max(most)


def test_five_hundred_creates_and_deletes_at_once(accepting: Cloud) -> None:
    cloud = accepting
    hanging = cloud.cells.with_hosts()[1]
    with edges.silent(hanging.database):
        kept, refused, most = storm(cloud, [cloud.context()], lambda number: number % 3 == 0)
    assert most <= LIMIT and len(kept) <= LIMIT
    assert truth.usage(cloud) == recount(cloud, "p1") == {
        "instances": len(kept), "cores": len(kept), "ram": 512 * len(kept)}
    assert Auditor(cloud.api, cloud.cells).scan() == []
    while len(kept) < LIMIT:  # whatever room is left can be used, to the last
        kept.append(boot(cloud, cloud.context()))
    with pytest.raises(errors.OverQuota, match=f"Requested 1, but already used {LIMIT} of {LIMIT} instances"):
        boot(cloud, cloud.context())
    tasks = [concurrency.spawn(delete, cloud, cloud.context(), uuid) for uuid in kept]
    assert all(task.join(120) for task in tasks)
    assert truth.usage(cloud) == recount(cloud, "p1") == {}
    assert Auditor(cloud.api, cloud.cells).scan() == []


def test_limits_of_users_hold_at_once(accepting: Cloud) -> None:
    cloud = accepting
    users = [RequestContext(user_id=f"u{n}", project_id="p1", roles=("member",)) for n in range(4)]
    cloud.api.run(lambda conn: quotas.set_limits(conn, "p1", "u0", {"instances": MINE}))
    kept, refused, most = storm(cloud, users, lambda number: True)
    assert len(kept) + refused == REQUESTS and most <= LIMIT == len(kept)
    assert recount(cloud, "p1", "u0").get("instances", 0) <= MINE
    assert truth.usage(cloud) == recount(cloud, "p1")
    assert Auditor(cloud.api, cloud.cells).scan() == []


def test_five_hundred_resizes_at_once(make_cloud: Callable[..., Cloud]) -> None:
    """Twenty tasks ask for other flavors of ten servers, confirm and revert what they find, and delete some."""
    cores, servers = 16, 10
    cloud = make_cloud(hosts_count=3, conf_options={
        "quota__instances": servers, "quota__cores": cores, "quota__ram": -1, "fake__vcpus": 100})
    flavors = [FLAVOR | {"flavorid": str(n), "vcpus": n} for n in range(1, 5)]
    uuids = cloud.boot(count=servers, flavor=flavors[0])
    for uuid in uuids:
        cloud.wait_state(uuid, "active")
    told: dict[str, int] = {}
    most: list[int] = []
    over = concurrency.Event()

    def attempt(work: Callable[[], object]) -> None:
        try:
            work()
            kind = "accepted"
        except errors.NovaError as e:
            kind = type(e).__name__
        told[kind] = told.get(kind, 0) + 1

    def work(task: int) -> None:
        context, dice = cloud.context(), random.Random(task)
        for _ in range(REQUESTS // TASKS):
            uuid, flavor = dice.choice(uuids), dice.choice(flavors)
            attempt(functools.partial(cloud.operations.resize, context, uuid, flavor))
            end = dice.choice([cloud.operations.confirm_resize, cloud.operations.revert_resize])
            with contextlib.suppress(errors.NovaError):
                end(context, dice.choice(uuids))
        if task % 7 == 0:
            cloud.operations.delete(context, uuids[task % 3])

    def watch() -> None:
        while not over.wait(0.02):
            most.append(truth.usage(cloud).get("cores", 0))

    watcher = concurrency.spawn(watch)
    tasks = [concurrency.spawn(work, number) for number in range(TASKS)]
    assert all(task.join(300) for task in tasks)
    cloud.wait(lambda: not truth.open_rows(cloud), what="every operation has ended")
    over.set()
    assert watcher.join(120)
    assert max(most) <= cores and sum(told.values()) == REQUESTS, told
    assert {"accepted", "OverQuota", "Conflict"} <= set(told)
    assert truth.usage(cloud) == recount(cloud, "p1")
    assert Auditor(cloud.api, cloud.cells).scan() == []
    left = [uuid for uuid in uuids if cloud.server(uuid) is not None]
    for uuid in left:
        if cloud.server(uuid)["vm_state"] == "resized":  # type: ignore[index]
            cloud.operations.confirm_resize(cloud.context(), uuid)
            cloud.wait_state(uuid, "active")
    assert truth.usage(cloud)["cores"] == sum(cloud.server(uuid)["vcpus"] for uuid in left)  # type: ignore[index]
    for uuid in left:
        cloud.operations.delete(cloud.context(), uuid)
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
