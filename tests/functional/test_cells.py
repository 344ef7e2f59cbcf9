# SPDX-License-Identifier: Apache-2.0
"""Cells that come, move and go while the API level runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nova import errors
from nova.cells import Cell
from nova.cmd import provision
from nova.cmd.wiring.listeners import CellListeners
from nova.context import RequestContext, service_context
from nova.rpc.endpoint import Endpoint
from tests.functional import truth
from tests.functional.cloud import Cloud


class Name(Endpoint):
    """Says for which cell it listens."""

    namespace = "name"
    version = "1.0"

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def tell(self, context: RequestContext) -> str:
        return self._cell.uuid


@pytest.fixture
def listening(make_cloud: Callable[..., Cloud]) -> Iterator[Cloud]:
    """A cloud of which nothing runs but the ends on the buses."""
    cloud = make_cloud(start=False, cells_ttl=0.0)
    cloud.setup()
    plane = cloud.plane("api")
    listeners = CellListeners(plane.bus, plane.cells, [], Name, topic="orchestrator", host="ctl", workers=2,
                              interval=0.05)
    listeners.start()
    yield cloud
    listeners.stop()


def heard(cloud: Cloud, bus: str) -> str | None:
    """Who listens on the bus of this name now; None: nobody, or the machine is slow."""
    try:
        answer: Any = cloud.make_bus(bus, "cell", "nova").call(service_context(), "orchestrator", "tell",
                                                               namespace="name", args={}, timeout=0.5)
    except errors.Unavailable:
        return None
    return str(answer)


def test_a_cell_is_heard_as_soon_as_it_is_known(listening: Cloud) -> None:
    listening.wait(lambda: heard(listening, "cell1") == listening.rows[1]["uuid"])
    assert heard(listening, "cell2") is None
    uuid = provision.create_cell(listening.api, provision.CellSpec("cell2", listening.make_url("cell2"), "cell2"))
    assert uuid is not None
    listening.wait(lambda: heard(listening, "cell2") == uuid)
    provision.update_cell(listening.api, uuid, transport_url="cell2-moved")
    listening.wait(lambda: heard(listening, "cell2-moved") == uuid and heard(listening, "cell2") is None)
    provision.delete_cell(listening.api, uuid)
    listening.wait(lambda: heard(listening, "cell2-moved") is None)
    listening.wait(lambda: heard(listening, "cell1") == listening.rows[1]["uuid"])


def test_a_disabled_cell_gets_servers_from_when_it_is_enabled(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(hosts_count=1, cells_ttl=0.0)
    uuid = cloud.rows[1]["uuid"]
    provision.update_cell(cloud.api, uuid, disabled=True)
    refused = cloud.wait_state(cloud.boot("refused")[0], "error")
    assert "the cell is disabled" in refused["fault"]["message"] and truth.guests(cloud) == {}
    provision.update_cell(cloud.api, uuid, disabled=False)
    cloud.wait_state(cloud.boot("taken")[0], "active")
