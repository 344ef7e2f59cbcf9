# SPDX-License-Identifier: Apache-2.0
"""Networks are made, seen by whom they are for, and removed when nobody uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nova import concurrency, errors
from nova.db.engine import Database
from nova.networks import allocation
from nova.networks.manager import Networks


def test_networks_get_bridges_of_their_own(networks: Networks) -> None:
    made = [networks.create_network(f"n{i}", f"10.0.{i}.0/24") for i in range(3)]
    assert [n["bridge"] for n in made] == ["br100", "br101", "br102"]
    with pytest.raises(errors.Conflict, match="br101"):
        networks.create_network("n3", "10.0.3.0/24", bridge="br101")


def test_project_sees_its_own_and_shared_networks(networks: Networks) -> None:
    shared = networks.create_network("private", "10.0.0.0/24")
    own = networks.create_network("private", "10.0.1.0/24", project_id="p1")
    assert [n["id"] for n in networks.list("p1")] == [shared["id"], own["id"]]
    assert [n["id"] for n in networks.list("p2")] == [shared["id"]]
    assert networks.get("private", "p1")["id"] == own["id"]
    assert networks.get(shared["id"], "p1")["project_id"] is None
    with pytest.raises(errors.NotFound, match=own["id"]):
        networks.get(own["id"], "p2")


def test_ensure_makes_it_once(networks: Networks) -> None:
    first = networks.ensure_network("private", "10.0.0.0/24", bridge="br7")
    assert networks.ensure_network("private", "10.0.0.0/24") == first
    assert len(networks.list()) == 1


def test_delete_waits_for_the_last_port(networks: Networks, allocate: Callable[..., list[dict[str, Any]]],
                                        db: Database) -> None:
    networks.create_network("private", "10.0.0.0/24")
    server = concurrency.uuid4()
    allocate(server)
    with pytest.raises(errors.Conflict, match="1 port"):
        networks.delete("private")
    assert allocate() != []
    with pytest.raises(errors.Forbidden):
        networks.delete("private", "p1")
    networks.create_network("empty", "10.0.1.0/24", project_id="p1")
    networks.delete("empty", "p1")
    assert [n["label"] for n in networks.list()] == ["private"]
    with pytest.raises(errors.NotFound):
        networks.delete("empty")
    assert db.run(lambda conn: allocation.release(conn, server)) == 1


@pytest.mark.parametrize(("wrong", "why"), [
    ({"cidr": "10.0.0.1/24"}, "not an IPv4 network"), ({"cidr": "fd00::/64"}, "not an IPv4 network"),
    ({"cidr": "10.0.0.0/30"}, "between /8 and /29"), ({"gateway": "10.0.1.1"}, "not a host address"),
    ({"gateway": "10.0.0.0"}, "not a host address"), ({"dns": ["x"]}, "name server"), ({"label": ""}, "label"),
    ({"range_start": "10.0.0.9", "range_end": "10.0.0.8"}, "empty"), ({"bridge": "br 1"}, "not a name"),
    ({"bridge": "b" * 16}, "not a name"),
])
def test_wrong_definitions_are_refused(networks: Networks, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(errors.Invalid, match=why):
        networks.create_network(**{"label": "n", "cidr": "10.0.0.0/24", **wrong})
    assert networks.list() == []


def test_overlapping_ranges_are_refused(networks: Networks) -> None:
    networks.create_network("a", "10.0.0.0/16")
    with pytest.raises(errors.Conflict, match="overlaps 10.0.0.0/16"):
        networks.create_network("b", "10.0.5.0/24")
