# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: valid, whole, true of its microversion, and only for those who have a token."""

from __future__ import annotations

from typing import Any

import jsonschema
import openapi_spec_validator
import pytest

from nova.api.compute import application
from nova.web.versions import parse
from tests.api.compute.conftest import Api
from tests.api.compute.test_operations import shape, wanted

#: The oldest and the newest, and where much changes.
VERSIONS = ("2.1", "2.36", "2.75", "2.104")


def document(api: Api, version: str = "") -> dict[str, Any]:
    answer = api("GET", f"/openapi.json?microversion={version}" if version else "/openapi.json", prefix="")
    assert answer.status == 200
    body: dict[str, Any] = answer.body
    return body


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_valid(api: Api, version: str) -> None:
    made = document(api, version)
    openapi_spec_validator.validate(made)
    assert made["info"]["version"] == version
    names = [operation["operationId"] for path in made["paths"].values() for name, operation in path.items()
             if name != "parameters"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("version", VERSIONS)
def test_it_holds_what_the_table_holds_and_nothing_else(api: Api, version: str) -> None:
    told = set()
    for path, item in document(api, version)["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                actions = operation.get("x-nova-actions", {"": None})
                told |= {(method.upper(), shape(path), action) for action in actions}
    asked = parse(version)
    expected = {(row["method"], shape(row["path"]), row["action"]) for row in wanted()
                if parse(row["min"]) <= asked and (not row["max"] or asked <= parse(row["max"]))}
    assert told - expected == own(api)
    assert expected - told == set()


def own(api: Api) -> set[tuple[str, str, str]]:
    """Routes that no other cloud has."""
    table = {(row["method"], shape(row["path"]), row["action"]) for row in wanted()}
    return {(route.method, shape(route.path), route.action or "") for resource in application.resources(api.deps)
            for route in resource.routes} - table


def test_the_newest_without_a_question(api: Api) -> None:
    assert document(api) == document(api, "latest") == document(api, "2.104")
    assert document(api)["servers"] == [{"url": "http://cloud/compute/v2.1"}]


def test_it_is_for_those_with_a_token(api: Api) -> None:
    for who in (None, "forged"):
        assert api("GET", "/openapi.json", prefix="", who=who).status == 401


@pytest.mark.parametrize(("query", "status"), [
    ("microversion=2", 400), ("microversion=x", 400), ("microversion=2.105", 406), ("microversion=1.9", 406),
    ("colour=blue", 400), ("microversion=" + "9" * 20, 400)])
def test_microversions_that_are_not_served(api: Api, query: str, status: int) -> None:
    assert api("GET", f"/openapi.json?{query}", prefix="").status == status


def test_a_create_is_described_as_it_is_checked(api: Api) -> None:
    made = document(api)
    create = made["paths"]["/servers"]["post"]
    schema = create["requestBody"]["content"]["application/json"]["schema"]
    check = jsonschema.Draft202012Validator(schema)
    good: dict[str, Any] = {"name": "a", "flavorRef": "1", "imageRef": "", "networks": "none"}
    assert check.is_valid({"server": good})
    assert not check.is_valid({"server": {"name": "a"}})
    assert not check.is_valid({"server": good | {"personality": []}})
    assert create["x-nova-policy"] == "os_compute_api:servers:create"
    assert set(create["responses"]) >= {"202", "400", "401", "403", "409", "413", "415"}


def test_actions_are_one_of_many(api: Api) -> None:
    action = document(api)["paths"]["/servers/{id}/action"]["post"]
    bodies = {body["title"]: body for body in action["requestBody"]["content"]["application/json"]["schema"]["oneOf"]}
    assert set(bodies) == set(action["x-nova-actions"])
    assert bodies["reboot"]["properties"]["reboot"]["required"] == ["type"]
    assert action["x-nova-actions"]["os-start"] == {
        "summary": "Power on", "success": 202, "x-nova-policy": "os_compute_api:servers:start",
        "x-nova-microversions": {"min": None, "max": None}}
    old = document(api, "2.5")["paths"]["/servers/{id}/action"]["post"]["x-nova-actions"]
    assert set(old) - set(bodies) >= {"addFixedIp", "os-getVNCConsole"}


def test_what_is_gone_is_deprecated(api: Api) -> None:
    gone = document(api)["paths"]["/os-agents"]["get"]
    assert gone["deprecated"]
    assert set(gone["responses"]) >= {"410"}
    assert "deprecated" not in document(api)["paths"]["/servers"]["get"]


def test_records_follow_the_microversion(api: Api) -> None:
    old, new = document(api, "2.8")["components"]["schemas"], document(api)["components"]["schemas"]
    assert "locked" not in old["server"]["properties"]
    assert new["server"]["properties"]["locked"] == {"type": "boolean"}
    assert "rxtx_factor" in old["flavor"]["required"]
    assert "rxtx_factor" not in new["flavor"]["properties"]
