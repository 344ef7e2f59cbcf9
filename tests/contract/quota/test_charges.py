# SPDX-License-Identifier: Apache-2.0
"""Quota cannot be passed, on any engine: parallel charges and releases neither exceed the limit nor drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from oslo_config import cfg

from nova import concurrency, errors
from nova.conf import quota as options
from nova.db.api import cells as mappings
from nova.db.api import metadata
from nova.db.api import quotas as table
from nova.db.engine import Database
from nova.quota import Quota


@pytest.fixture
def database(database_kind: str, make_database: Callable[..., str]) -> Iterator[Database]:
    made = Database(make_database(database_kind, "quota"), synchronous="OFF")
    metadata.create_all(made.engine, tables=[table.quotas, table.quota_classes, table.quota_usages,
                                             mappings.instance_mappings])
    yield made
    made.dispose()


@pytest.fixture
def quota() -> Quota:
    conf = cfg.ConfigOpts()
    options.register(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    return Quota(conf)


def _used(database: Database, quota: Quota) -> dict[str, int]:
    with database.read() as conn:
        return quota.usages(conn, "p")


def test_all_or_nothing(database: Database, quota: Quota) -> None:
    database.run(lambda conn: quota.charge(conn, "p", {"instances": 4, "cores": 18, "ram": 1024}))
    with pytest.raises(errors.OverQuota) as refused:
        database.run(lambda conn: quota.charge(conn, "p", {"instances": 1, "cores": 3, "ram": 51200}))
    assert refused.value.message == ("Quota exceeded for cores, ram: Requested 3, 51200, but already used 18, 1024 of "
                                     "20, 51200 cores, ram")
    assert _used(database, quota) == {"instances": 4, "cores": 18, "ram": 1024}
    database.run(lambda conn: quota.release(conn, "p", {"instances": 9, "cores": 8, "ram": 24}))
    assert _used(database, quota) == {"instances": 0, "cores": 10, "ram": 1000}


def test_many_at_once_never_pass_the_limit(database: Database, quota: Quota) -> None:
    granted, refused = concurrency.Queue(), concurrency.Queue()

    def work(number: int) -> None:
        for _ in range(5):
            try:
                database.run(lambda conn: quota.charge(conn, "p", {"instances": 1, "cores": 1, "ram": 64}))
                granted.put(number)
            except errors.OverQuota:
                refused.put(number)

    tasks = [concurrency.spawn(work, n, name=f"charge-{n}") for n in range(8)]
    assert all(task.join(120) for task in tasks)
    assert (granted.qsize(), refused.qsize()) == (10, 30)
    assert _used(database, quota) == {"instances": 10, "cores": 10, "ram": 640}


def test_limits_by_user_project_class_and_configuration(database: Database, quota: Quota) -> None:
    def limits(project: str, user: str = "") -> int:
        with database.read() as conn:
            return quota.limits(conn, project, user)["instances"]

    assert limits("p") == 10
    database.run(lambda conn: table.set_class_limits(conn, "default", {"instances": 7}))
    database.run(lambda conn: table.set_limits(conn, "p", "", {"instances": 5}))
    database.run(lambda conn: table.set_limits(conn, "p", "u", {"instances": 2}))
    database.run(lambda conn: table.set_limits(conn, "p", "u", {"instances": 3}))
    assert [limits("p", "u"), limits("p", "v"), limits("p"), limits("q", "u")] == [3, 5, 5, 7]
    database.run(lambda conn: table.clear_limits(conn, "p"))
    assert limits("p", "u") == 7


def test_no_limit_and_what_fits(database: Database, quota: Quota) -> None:
    database.run(lambda conn: table.set_limits(conn, "p", "", {"ram": -1, "instances": 4}))
    database.run(lambda conn: quota.charge(conn, "p", {"ram": 10**9, "instances": 1}))

    def fitting(minimum: int) -> int:
        with database.read() as conn:
            return quota.fitting(conn, "p", {"instances": 1, "cores": 8, "ram": 64}, minimum, 10)

    assert fitting(1) == 2
    with pytest.raises(errors.OverQuota, match="Quota exceeded for cores: Requested 24, but already used 0 of 20"):
        fitting(3)


def test_corrections_give_way_to_what_moves(database: Database, quota: Quota) -> None:
    database.run(lambda conn: quota.charge(conn, "p", {"instances": 3}))
    assert not database.run(lambda conn: table.correct(conn, "p", "instances", 2, 1))
    assert database.run(lambda conn: table.correct(conn, "p", "instances", 3, 1))
    assert database.run(lambda conn: table.correct(conn, "new", "cores", 0, 5))
    with database.read() as conn:
        assert conn.execute(sa.select(sa.func.sum(table.quota_usages.c.used))).scalar_one() == 6


def _server(database: Database, quota: Quota, number: int, user: str) -> None:
    """Charge and mapping in one transaction, as a create does."""
    def accept(conn: sa.Connection) -> None:
        amounts = {"instances": 1, "cores": 2}
        quota.charge(conn, "p", amounts, user_id=user)
        conn.execute(mappings.instance_mappings.insert().values(
            instance_uuid=f"{user}-{number}", project_id="p", user_id=user, queued_for_delete=False, fence=0,
            charge=amounts, created_at=1.0))

    database.run(accept)


def test_limits_of_a_user_hold_against_what_the_user_has(database: Database, quota: Quota) -> None:
    database.run(lambda conn: table.set_limits(conn, "p", "u", {"instances": 2, "cores": -1}))
    for number in range(4):
        _server(database, quota, number, "other")
    _server(database, quota, 0, "u")
    with database.read() as conn:
        assert quota.usages(conn, "p", "u") == {"instances": 1, "cores": 2, "ram": 0}
        assert quota.usages(conn, "p")["instances"] == 5
        assert quota.fitting(conn, "p", {"instances": 1, "cores": 2}, 1, 9, user_id="u") == 1
        assert quota.fitting(conn, "p", {"instances": 1, "cores": 2}, 1, 9, user_id="other") == 5
    _server(database, quota, 1, "u")
    with pytest.raises(errors.OverQuota, match="Requested 1, but already used 2 of 2 instances"):
        _server(database, quota, 2, "u")
    assert _used(database, quota)["instances"] == 6
    database.run(lambda conn: mappings.settle_deleted(conn, "u-0"))
    with database.read() as conn:
        assert quota.usages(conn, "p", "u")["instances"] == 1


def test_the_limits_of_a_project_hold_for_users_with_more(database: Database, quota: Quota) -> None:
    database.run(lambda conn: table.set_limits(conn, "p", "u", {"instances": 50}))
    with pytest.raises(errors.OverQuota, match="Requested 11, but already used 0 of 10 instances"):
        database.run(lambda conn: quota.charge(conn, "p", {"instances": 11}, user_id="u"))


def test_what_is_promised_to_users_adds_up(database: Database) -> None:
    database.run(lambda conn: table.set_limits(conn, "p", "", {"instances": 9}))
    for user, limit in (("u", 3), ("v", 4), ("w", -1)):
        database.run(lambda conn, user=user, limit=limit: table.set_limits(  # type: ignore[misc]
            conn, "p", user, {"instances": limit}))
    with database.read() as conn:
        assert table.limits_of_users(conn, "p") == {"instances": 7}
        assert table.limits_of_users(conn, "p", besides="u") == {"instances": 4}
