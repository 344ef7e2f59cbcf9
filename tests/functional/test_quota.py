# SPDX-License-Identifier: Apache-2.0
"""Quota is exact, also when creates and deletes race, and a multi-create takes what there is room for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nova import concurrency, errors
from nova.operations import CreateRequest
from tests.functional import truth
from tests.functional.cloud import FLAVOR, IMAGE, Cloud


@pytest.fixture
def api_only(make_cloud: Callable[..., Cloud]) -> Cloud:
    """Accepting alone: nothing is scheduled."""
    cloud = make_cloud(start=False, conf_options={"quota__instances": 5, "quota__cores": 20, "quota__ram": -1})
    cloud.setup()
    cloud.start_api()
    return cloud


def boot(cloud: Cloud, minimum: int, maximum: int, **flavor: int) -> int:
    request = CreateRequest(name="m", flavor=FLAVOR | flavor, image=IMAGE, min_count=minimum, max_count=maximum)
    return len(cloud.operations.create(cloud.context(), request).servers)


def test_as_many_as_quota_has_room_for(api_only: Cloud) -> None:
    assert boot(api_only, 1, 3) == 3
    assert boot(api_only, 1, 10) == 2
    with pytest.raises(errors.OverQuota) as caught:
        boot(api_only, 1, 10)
    assert caught.value.message == ("Quota exceeded for instances: Requested 1, but already used 5 of 5 instances")
    assert truth.usage(api_only)["instances"] == 5


def test_the_scarcest_resource_decides(api_only: Cloud) -> None:
    assert boot(api_only, 1, 5, vcpus=8) == 2
    with pytest.raises(errors.OverQuota, match="Quota exceeded for cores: Requested 8, but already used 16 of 20"):
        boot(api_only, 1, 1, vcpus=8)
    assert truth.usage(api_only) == {"instances": 2, "cores": 16, "ram": 1024}


def test_a_minimum_that_does_not_fit_charges_nothing(api_only: Cloud) -> None:
    with pytest.raises(errors.OverQuota, match="Requested 6, but already used 0 of 5 instances"):
        boot(api_only, 6, 6)
    with pytest.raises(errors.Invalid, match="min_count must be <= max_count"):
        boot(api_only, 3, 2)
    assert truth.usage(api_only) == {}


def test_parallel_creates_take_exactly_what_there_is(api_only: Cloud) -> None:
    granted: list[int] = []
    refused: list[str] = []

    def one() -> None:
        try:
            granted.append(boot(api_only, 1, 1))
        except errors.OverQuota as e:
            refused.append(e.message)

    tasks = [concurrency.spawn(one) for _ in range(12)]
    assert all(t.join(120) for t in tasks)
    assert sum(granted) == 5 and len(refused) == 7
    assert truth.usage(api_only) == {"instances": 5, "cores": 5, "ram": 5 * 512}


def test_parallel_ranges_share_the_room(api_only: Cloud) -> None:
    """Each asks for one at least: nobody is refused while there is room, though all saw room for more."""
    granted: list[int] = []

    def one() -> None:
        granted.append(boot(api_only, 1, 2))

    tasks = [concurrency.spawn(one) for _ in range(3)]
    assert all(t.join(120) for t in tasks)
    assert sum(granted) == 5 and len(granted) == 3


def test_parallel_creates_and_deletes_add_up(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(conf_options={"quota__instances": 4})
    kept: list[str] = []

    def churn(keep: bool) -> None:
        for _ in range(2):
            try:
                uuid = cloud.boot()[0]
            except errors.OverQuota:
                continue
            if keep:
                kept.append(uuid)
            else:
                cloud.operations.delete(cloud.context(), uuid)
                cloud.operations.deps.servers.operations(cloud.context(), uuid)

    tasks = [concurrency.spawn(churn, i % 2 == 0) for i in range(6)]
    assert all(t.join(120) for t in tasks)
    for uuid in kept:
        cloud.wait_state(uuid, "active")
    cloud.wait(lambda: not truth.open_rows(cloud))
    assert truth.usage(cloud).get("instances", 0) == len(kept) <= 4
    for uuid in kept:
        cloud.operations.delete(cloud.context(), uuid)
    for uuid in kept:
        cloud.wait_gone(uuid)
    truth.nothing_left(cloud)
