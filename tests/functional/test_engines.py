# SPDX-License-Identifier: Apache-2.0
"""The main stories on PostgreSQL and MariaDB, and under greenlets: the same cloud on other ground."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nova import concurrency, errors
from tests.functional import stories, truth
from tests.functional.cloud import Cloud, memory_cloud
from tests.functional.conftest import QUICK

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["postgresql", "mariadb"])
def engine_cloud(request: pytest.FixtureRequest, tmp_path: Path,
                 make_database: Callable[..., str]) -> Iterator[Cloud]:
    """Two cells, each database on a real server."""
    made: dict[str, str] = {}

    def url(name: str) -> str:
        if name not in made:
            made[name] = make_database(request.param, name)
        return made[name]

    cloud = memory_cloud(tmp_path, conf_options=QUICK, cells_count=2, hosts_count=4)
    cloud.make_url = url
    cloud.start()
    try:
        cloud.wait_ready()
        yield cloud
    finally:
        cloud.stop()


def test_the_main_story(engine_cloud: Cloud) -> None:
    stories.life(engine_cloud)


def test_racing_requests_for_one_server_end_in_order(engine_cloud: Cloud) -> None:
    """Deletes, reboots, locks and metadata at once: conflicts are conflicts, nothing fails otherwise, nothing is
    lost."""
    cloud = engine_cloud
    uuid = cloud.boot()[0]
    cloud.wait_state(uuid, "active")
    context = cloud.context()
    unexpected: list[BaseException] = []

    def several(work: Callable[[int], object]) -> Callable[[], None]:
        def run() -> None:
            for i in range(4):
                try:
                    work(i)
                except errors.Conflict:
                    continue
                except Exception as e:
                    unexpected.append(e)
        return run

    works: list[Callable[[int], object]] = [
        lambda i: cloud.operations.reboot(context, uuid, "HARD"),
        lambda i: cloud.operations.reboot(context, uuid, "HARD"),
        lambda i: cloud.operations.update(context, uuid, {"display_name": f"n{i}"}),
        lambda i: cloud.operations.unlock(context, uuid, may_override=True),
        lambda i: cloud.operations.unlock(context, uuid, may_override=True),
        lambda i: cloud.operations.reset_state(cloud.context(admin=True), uuid, "active")]
    tasks = [concurrency.spawn(several(work)) for work in works]
    assert all(t.join(120) for t in tasks)
    assert unexpected == []
    cloud.wait(lambda: not truth.open_rows(cloud))
    numbers = [r["seq"] for r in cloud.servers.operations(context, uuid)]
    assert sorted(numbers) == list(range(len(numbers)))
    tasks = [concurrency.spawn(lambda: cloud.operations.delete(context, uuid)) for _ in range(3)]
    assert all(t.join(120) for t in tasks)
    cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
    assert [a for a, _ in truth.actions(cloud, uuid)].count("delete") == 1


def test_parallel_creates_share_quota_exactly(engine_cloud: Cloud) -> None:
    engine_cloud.conf.set_override("instances", 3, "quota")
    granted: list[str] = []
    refused: list[str] = []

    def one() -> None:
        try:
            granted.extend(engine_cloud.boot())
        except errors.OverQuota as e:
            refused.append(e.message)

    tasks = [concurrency.spawn(one) for _ in range(8)]
    assert all(t.join(120) for t in tasks)
    assert (len(granted), len(refused)) == (3, 5)
    for uuid in granted:
        engine_cloud.wait_state(uuid, "active")
        engine_cloud.operations.delete(engine_cloud.context(), uuid)
    for uuid in granted:
        engine_cloud.wait_gone(uuid)
    truth.nothing_left(engine_cloud)


def test_the_main_story_under_greenlets(tmp_path: Path) -> None:
    """In a process of its own, for the backend must be chosen before anything else is imported."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NOVA_TEST")} | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-m", "tests.functional.greenlets", str(tmp_path)], cwd=ROOT, timeout=500,
                           env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert ended.stdout.split() == ["greenlets", "life:done", "failures:done"]
