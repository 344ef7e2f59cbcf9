# SPDX-License-Identifier: Apache-2.0
"""Allocations and candidates: the same claims as the scheduler's, asked for over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from nova.db.engine import Database
from nova.placement import audit, claims
from tests.api.placement.conftest import C1, C2, OWNER, P1, P2, Client, Connect, allocate, make_provider


@pytest.fixture(autouse=True)
def hosts(api: Client) -> None:
    make_provider(api, P1, VCPU={"total": 4}, MEMORY_MB={"total": 1024})
    make_provider(api, P2, VCPU={"total": 4}, MEMORY_MB={"total": 512})


def usages(api: Client, provider: str = P1) -> dict[str, int]:
    found: dict[str, int] = api("GET", f"/resource_providers/{provider}/usages")["usages"]
    return found


def test_a_consumer_holds_what_was_put_last(api: Client) -> None:
    allocate(api, C1, {"VCPU": 2, "MEMORY_MB": 256})
    shown = api("GET", f"/allocations/{C1}")
    assert shown["allocations"][P1]["resources"] == {"VCPU": 2, "MEMORY_MB": 256}
    assert shown["allocations"][P1]["generation"] == api("GET", f"/resource_providers/{P1}")["generation"]
    assert (shown["project_id"], shown["user_id"]) == ("p-alice", "u-alice")
    allocate(api, C1, {"VCPU": 1}, P2)
    assert usages(api) == {"VCPU": 0, "MEMORY_MB": 0}
    assert usages(api, P2) == {"VCPU": 1, "MEMORY_MB": 0}
    listed = api("GET", f"/resource_providers/{P2}/allocations")
    assert listed["allocations"] == {C1: {"resources": {"VCPU": 1}}}
    api("DELETE", f"/allocations/{C1}", expect=204)
    api("DELETE", f"/allocations/{C1}", expect=404)
    assert api("GET", f"/allocations/{C1}") == {"allocations": {}}


def test_over_capacity_is_a_conflict_and_changes_nothing(api: Client) -> None:
    allocate(api, C1, {"VCPU": 3})
    error = allocate(api, C2, {"VCPU": 2}, expect=409)["errors"][0]
    assert "VCPU: 2 requested, 1 free of 4." in error["detail"]
    allocate(api, C1, {"VCPU": 5}, expect=409)
    assert api("GET", f"/allocations/{C1}")["allocations"][P1]["resources"] == {"VCPU": 3}
    allocate(api, C1, {"VCPU": 4})


@pytest.mark.parametrize(("body", "status"), [
    ({}, 400), ({"allocations": {}, **OWNER}, 400), ({"allocations": {P1: {"resources": {}}}, **OWNER}, 400),
    ({"allocations": {P1: {"resources": {"VCPU": 0}}}, **OWNER}, 400),
    ({"allocations": {P1: {"resources": {"VCPU": 1}}}}, 400),
    ({"allocations": {C2: {"resources": {"VCPU": 1}}}, **OWNER}, 400),
    ({"allocations": {P1: {"resources": {"NONE": 1}}}, **OWNER}, 400),
    ({"allocations": {P1: {"resources": {"DISK_GB": 1}}}, **OWNER}, 409)])
def test_bad_allocations_are_refused(api: Client, body: Any, status: int) -> None:
    api("PUT", f"/allocations/{C1}", body, expect=status)
    assert api("GET", f"/allocations/{C1}") == {"allocations": {}}


def test_older_forms(connect: Connect) -> None:
    entry = [{"resource_provider": {"uuid": P1}, "resources": {"VCPU": 1}}]
    connect("root", "1.0")("PUT", f"/allocations/{C1}", {"allocations": entry}, expect=204)
    old = connect("root", "1.8")
    old("PUT", f"/allocations/{C1}", {"allocations": entry}, expect=400)
    old("PUT", f"/allocations/{C1}", {"allocations": entry * 2, **OWNER}, expect=400)
    old("PUT", f"/allocations/{C1}", {"allocations": entry, **OWNER}, expect=204)
    shown = old("GET", f"/allocations/{C1}")
    assert shown["allocations"][P1]["resources"] == {"VCPU": 1} and "project_id" not in shown


def test_several_consumers_at_once_or_none(api: Client, connect: Connect, database: Database) -> None:
    """A move: the server's claim goes to another consumer while the server claims elsewhere."""
    allocate(api, C1, {"VCPU": 4})
    swap = {C2: {"allocations": {P1: {"resources": {"VCPU": 4}}}, **OWNER},
            C1: {"allocations": {P2: {"resources": {"VCPU": 2}}}, **OWNER}}
    api("POST", "/allocations", swap, expect=204)
    assert (usages(api)["VCPU"], usages(api, P2)["VCPU"]) == (4, 2)
    too_much = {C1: {"allocations": {}, **OWNER}, C2: {"allocations": {P2: {"resources": {"VCPU": 5}}}, **OWNER}}
    api("POST", "/allocations", too_much, expect=409)
    assert (usages(api)["VCPU"], usages(api, P2)["VCPU"]) == (4, 2)
    connect("root", "1.12")("POST", "/allocations", swap, expect=404)
    with database.read() as conn:
        assert audit.drifts(conn) == []


def test_usages_of_a_project_and_of_its_users(api: Client, connect: Connect) -> None:
    allocate(api, C1, {"VCPU": 2})
    api("PUT", f"/allocations/{C2}", {"allocations": {P2: {"resources": {"VCPU": 1}}}, "project_id": "p-alice",
                                      "user_id": "u-bob"}, expect=204)
    assert api("GET", "/usages?project_id=p-alice")["usages"] == {"VCPU": 3}
    assert api("GET", "/usages?project_id=p-alice&user_id=u-bob")["usages"] == {"VCPU": 1}
    api("GET", "/usages", expect=400)
    connect("root", "1.8")("GET", "/usages?project_id=p-alice", expect=404)


def test_consumers_of_the_api_are_no_orphans_and_servers_stay_servers(api: Client, database: Database) -> None:
    allocate(api, C2, {"VCPU": 1})
    with database.write() as conn:
        claims.claim(conn, C1, "p-alice", "u-alice", P1, {"VCPU": 1})
    allocate(api, C1, {"VCPU": 1}, P2)
    with database.read() as conn:
        assert [(orphan.consumer_uuid, orphan.held) for orphan in audit.audit(conn, set())] == [(C1, {P2: {"VCPU": 1}})]


def test_candidates_say_where_it_fits_in_the_form_in_which_it_is_put(api: Client, connect: Connect) -> None:
    allocate(api, C1, {"MEMORY_MB": 500}, P2)
    path = "/allocation_candidates?resources=VCPU:2,MEMORY_MB:128"
    found = api("GET", path)
    assert found["provider_summaries"] == {P1: {"resources": {"VCPU": {"capacity": 4, "used": 0},
                                                              "MEMORY_MB": {"capacity": 1024, "used": 0}},
                                                "traits": []}}
    (request,) = found["allocation_requests"]
    api("PUT", f"/allocations/{C2}", request | OWNER, expect=204)
    assert len(api("GET", "/allocation_candidates?resources=VCPU:1&limit=1")["allocation_requests"]) == 1
    (old,) = connect("root", "1.10")("GET", path)["allocation_requests"]
    connect("root", "1.10")("PUT", f"/allocations/{C2}", old | OWNER, expect=204)


@pytest.mark.parametrize("query", ["", "resources=VCPU", "resources=VCPU:1&limit=0", "resources=VCPU:1&group=1"])
def test_bad_questions_for_candidates(api: Client, query: str) -> None:
    api("GET", f"/allocation_candidates?{query}", expect=400)
