# SPDX-License-Identifier: Apache-2.0
"""Versions, authentication and policy, the same for every resource of the Placement API."""

from __future__ import annotations

import re

import pytest

from nova.api.placement.app import resources
from nova.db.engine import Database
from nova.policy import placement as rules
from tests.api.placement.conftest import P1, Connect


def test_the_version_document_is_public(connect: Connect) -> None:
    document = connect("", None)("GET", "/")
    assert document["versions"][0] == {"id": "v1.0", "status": "CURRENT", "min_version": "1.0", "max_version": "1.24",
                                       "links": [{"rel": "self", "href": ""}]}


@pytest.mark.parametrize(("asked", "status", "answered"), [
    (None, 200, "placement 1.0"), ("1.10", 200, "placement 1.10"), ("latest", 200, "placement 1.24"),
    ("1.25", 406, None), ("0.9", 400, None), ("new", 400, None)])
def test_versions_are_negotiated(connect: Connect, asked: str | None, status: int, answered: str | None) -> None:
    answer = connect("root", asked).raw("GET", "/resource_providers")
    assert answer.status_code == status
    if answered:
        assert answer.headers["OpenStack-API-Version"] == answered
    if status == 406:
        error = answer.json()["errors"][0]
        assert (error["min_version"], error["max_version"]) == ("1.0", "1.24")


def test_errors_have_the_form_of_this_api(connect: Connect) -> None:
    answer = connect().raw("GET", f"/resource_providers/{P1}")
    assert answer.status_code == 404
    error = answer.json()["errors"][0]
    assert error["status"] == 404 and error["title"] == "Not Found"
    assert error["detail"] == f"No resource provider with uuid {P1} found."
    assert error["request_id"] == answer.headers["x-openstack-request-id"]


def concrete(path: str) -> str:
    return re.sub(r"\{.*?\}", P1, path)


def test_every_route_but_the_root_wants_a_token_and_every_rule_exists(connect: Connect, database: Database) -> None:
    known = {rule.name for rule in rules.RULES}
    anonymous, stranger = connect("", "latest"), connect("alice", "latest")
    for resource in resources(database):
        for route in resource.routes:
            if route.rule is None:
                continue
            assert anonymous.raw(route.method, concrete(route.path)).status_code == 401, route.template
            if route.rule == "@":
                continue
            assert route.rule in known, route.template
            answer = stranger.raw(route.method, concrete(route.path))
            assert answer.status_code in (400, 403, 404), route.template
            assert answer.status_code == 403 or route.body or route.query or route.versions, route.template


def test_services_manage_and_members_read_only_their_own_usages(connect: Connect) -> None:
    connect("service")("POST", "/resource_providers", {"name": "h", "uuid": P1})
    alice = connect("alice")
    alice("GET", "/resource_providers", expect=403)
    assert alice("GET", "/usages?project_id=p-alice") == {"usages": {}}
    alice("GET", "/usages?project_id=p-root", expect=403)
