# SPDX-License-Identifier: Apache-2.0
"""Clouds in this process, stopped when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.cloud import Cloud, memory_cloud
from tests.functional.pauses import Pauses

#: Heartbeats and scans come often, so that what nobody nudges is found soon. The lease is long: on a busy machine a
#: host that lives may be silent for seconds, and what is then done about it is another story.
QUICK = {"report_interval": 0.3, "lease": 10.0}


@pytest.fixture
def make_cloud(tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """``make_cloud(cells_count=2, hosts_count=4)`` starts a cloud whose hosts are known; ``start=False`` leaves it be.

    Options of the configuration are given as ``conf_options``.
    """
    made: list[Cloud] = []

    def make(*, start: bool = True, **options: Any) -> Cloud:
        path = tmp_path / f"cloud{len(made)}"
        path.mkdir()
        conf_options = QUICK | options.pop("conf_options", {})
        cloud = memory_cloud(path, conf_options=conf_options, **options)
        made.append(cloud)
        if start:
            cloud.start()
            cloud.wait_ready()
        return cloud

    yield make
    for cloud in made:
        cloud.stop()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    """One cell, two hosts."""
    return make_cloud()
