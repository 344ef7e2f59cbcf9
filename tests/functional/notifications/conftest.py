# SPDX-License-Identifier: Apache-2.0
"""Clouds whose notifications are heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.functional.cloud import Cloud
from tests.functional.notifications.heard import LEGACY, VERSIONED, Heard, switch_on


@pytest.fixture
def make_heard(make_cloud: Callable[..., Cloud]) -> Iterator[Callable[..., tuple[Cloud, Heard]]]:
    """``make_heard("both", notify_on_state_change="vm_state")``: a cloud with a consumer at the bus of its API level.

    The bus of the cell is another one, so that its address is given to the cell by an option, as an operator would.
    """
    made: list[Heard] = []

    def make(kind: str = "versioned", *, cloud_options: dict[str, Any] | None = None,
             **options: Any) -> tuple[Cloud, Heard]:
        cloud = make_cloud(start=False, **(cloud_options or {}))
        switch_on(cloud.conf, kind, **options)
        url = "nova-memory://notified-" + cloud.path.name + str(id(cloud))
        cloud.conf.set_override("transport_url", url, "oslo_messaging_notifications")
        heard = Heard(cloud.conf, url, VERSIONED, LEGACY)
        made.append(heard)
        cloud.start()
        cloud.wait_ready()
        return cloud, heard

    yield make
    for heard in made:
        heard.close()
