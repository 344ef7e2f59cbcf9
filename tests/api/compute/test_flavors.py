# SPDX-License-Identifier: Apache-2.0
"""Flavors, their extra specs, and who may use the private ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.compute.conftest import PROJECTS, Api

NANO = {"id": "1", "name": "m1.nano", "ram": 64, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 0, "vcpus": 1,
        "os-flavor-access:is_public": True, "links": [
            {"rel": "self", "href": "http://cloud/compute/v2.1/flavors/1"},
            {"rel": "bookmark", "href": "http://cloud/compute/flavors/1"}]}
OLD = {"swap": "", "OS-FLV-DISABLED:disabled": False, "rxtx_factor": 1.0}
PRIVATE = {"name": "big", "ram": 4096, "vcpus": 2, "disk": 10, "id": "big", "swap": 0,
           "os-flavor-access:is_public": False}


@pytest.mark.parametrize(("version", "expected"), [
    ("2.1", NANO | OLD), ("2.54", NANO | OLD), ("2.55", NANO | OLD | {"description": None}),
    ("2.61", NANO | OLD | {"description": None, "extra_specs": {}}),
    ("2.75", NANO | OLD | {"description": None, "extra_specs": {}, "swap": 0}),
    ("2.102", NANO | {"description": None, "extra_specs": {}, "swap": 0})])
def test_one_flavor_at_every_turn(api: Api, version: str, expected: dict[str, Any]) -> None:
    assert api("GET", "/flavors/1", version=version).body == {"flavor": expected}
    assert api("GET", "/flavors/detail", version=version).body["flavors"][0] == expected


def test_lists(api: Api) -> None:
    def ids(query: str, version: str = "2.1") -> list[str]:
        return [f["id"] for f in api("GET", f"/flavors{query}", version=version).body["flavors"]]

    assert ids("") == ["1", "2", "3"]
    assert ids("?minRam=500") == ["2", "3"]
    assert ids("?minDisk=2&minRam=1") == ["3"]
    assert ids("?sort_key=memory_mb&sort_dir=desc") == ["3", "2", "1"]
    assert ids("?marker=1&limit=1") == ["2"]
    assert ids("?sort_key=root_gb&sort_dir=desc&marker=3") == ["2", "1"]
    assert ids("?name=m1.tiny", "2.102") == ["2"]
    assert set(api("GET", "/flavors").body["flavors"][0]) == {"id", "name", "links"}
    assert api("GET", "/flavors", version="2.55").body["flavors"][0]["description"] is None


def test_pages_link_to_the_next(api: Api) -> None:
    body = api("GET", "/flavors?limit=1").body
    assert body["flavors_links"] == [{"rel": "next",
                                      "href": "http://cloud/compute/v2.1/flavors?limit=1&marker=1"}]
    assert "flavors_links" not in api("GET", "/flavors").body


@pytest.mark.parametrize(("query", "message"), [
    ("limit=x", "Invalid input for query parameters limit. Value: x. 'x' does not match '^[0-9]*$'"),
    ("marker=nope", "marker [nope] not found"), ("sort_key=banana", "Sort key supplied was not valid."),
    ("sort_dir=up", "Unknown sort direction, must be one of: asc, desc"), ("minRam=x", "Invalid minRam filter [x]")])
def test_bad_lists(api: Api, query: str, message: str) -> None:
    for path in ("/flavors", "/flavors/detail"):
        answer = api("GET", f"{path}?{query}")
        assert answer.body == {"badRequest": {"code": 400, "message": message}}


def test_unknown_parameters_are_refused_from_2_75(api: Api) -> None:
    assert api("GET", "/flavors?banana=1", version="2.74").status == 200
    assert api("GET", "/flavors?banana=1", version="2.75").status == 400


def test_a_private_flavor_from_creation_to_deletion(api: Api) -> None:
    made = api("POST", "/flavors", {"flavor": PRIVATE}, who="admin")
    assert made.status == 200
    assert made.body["flavor"]["os-flavor-access:is_public"] is False
    assert api("GET", "/flavors/big", who="demo").status == 404
    assert "big" in [f["id"] for f in api("GET", "/flavors?is_public=None", who="admin").body["flavors"]]
    assert "big" not in [f["id"] for f in api("GET", "/flavors", who="admin").body["flavors"]]
    grant = {"addTenantAccess": {"tenant": PROJECTS["demo"]}}
    access = {"flavor_access": [{"flavor_id": "big", "tenant_id": PROJECTS["demo"]}]}
    assert api("POST", "/flavors/big/action", grant, who="admin").body == access
    assert api("POST", "/flavors/big/action", grant, who="admin").status == 409
    assert api("GET", "/flavors/big/os-flavor-access", who="admin").body == access
    assert api("GET", "/flavors/big", who="demo").status == 200
    assert "big" in [f["id"] for f in api("GET", "/flavors", who="demo").body["flavors"]]
    assert "big" not in [f["id"] for f in api("GET", "/flavors", who="other").body["flavors"]]
    revoke = {"removeTenantAccess": {"tenant": PROJECTS["demo"]}}
    assert api("POST", "/flavors/big/action", revoke, who="admin").body == {"flavor_access": []}
    assert api("POST", "/flavors/big/action", revoke, who="admin").status == 404
    assert api("DELETE", "/flavors/big", who="admin").status == 202
    assert api("DELETE", "/flavors/big", who="admin").body == {
        "itemNotFound": {"code": 404, "message": "Flavor big could not be found."}}


def test_access_of_public_flavors(api: Api) -> None:
    assert api("GET", "/flavors/1/os-flavor-access", who="admin").status == 404
    grant = {"addTenantAccess": {"tenant": PROJECTS["demo"]}}
    assert api("POST", "/flavors/1/action", grant, who="admin", version="2.7").status == 409
    unknown = {"addTenantAccess": {"tenant": "nobody"}}
    assert api("POST", "/flavors/1/action", unknown, who="admin").body["badRequest"]["message"] == \
        "Project ID nobody is not a valid project."


def test_names_and_ids_are_taken_once(api: Api) -> None:
    api("POST", "/flavors", {"flavor": PRIVATE}, who="admin")
    again = api("POST", "/flavors", {"flavor": PRIVATE}, who="admin")
    assert again.body == {"conflictingRequest": {"code": 409, "message": "Flavor with ID big already exists."}}
    named = api("POST", "/flavors", {"flavor": PRIVATE | {"id": None}}, who="admin")
    assert named.body["conflictingRequest"]["message"] == "Flavor with name big already exists."


@pytest.mark.parametrize("change", [
    {"name": ""}, {"name": " x"}, {"name": "x" * 256}, {"ram": 0}, {"ram": "0"}, {"ram": -1}, {"ram": 2**31},
    {"vcpus": "x"}, {"disk": 1.5}, {"swap": "-1"}, {"id": "a/b"}, {"banana": 1}, {"rxtx_factor": 0},
    {"os-flavor-access:is_public": "maybe"}, {"id": " x"}])
def test_bad_flavors(api: Api, change: dict[str, Any]) -> None:
    assert api("POST", "/flavors", {"flavor": PRIVATE | change}, who="admin").status == 400


def test_the_description(api: Api) -> None:
    body = {"flavor": {"description": "new"}}
    assert api("PUT", "/flavors/1", body, who="admin", version="2.54").status == 404
    assert api("PUT", "/flavors/1", body, who="admin", version="2.55").body["flavor"]["description"] == "new"
    assert api("PUT", "/flavors/nope", body, who="admin", version="2.55").status == 404
    old = {"flavor": PRIVATE | {"description": "x"}}
    assert api("POST", "/flavors", old, who="admin", version="2.54").status == 400
    assert api("POST", "/flavors", {"flavor": PRIVATE | {"rxtx_factor": 1}}, who="admin", version="2.102").status == 400


def test_extra_specs(api: Api) -> None:
    path = "/flavors/1/os-extra_specs"
    assert api("GET", "/flavors/3/os-extra_specs").body == {"extra_specs": {"hw:cpu_policy": "shared"}}
    made = {"extra_specs": {"hw:cpu_policy": "shared", "hw:numa_nodes": "1"}}
    assert api("POST", path, made, who="admin").body == made
    assert api("GET", path).body == made
    assert api("GET", f"{path}/hw:numa_nodes").body == {"hw:numa_nodes": "1"}
    assert api("PUT", f"{path}/hw:numa_nodes", {"hw:numa_nodes": "2"}, who="admin").body == {"hw:numa_nodes": "2"}
    mismatch = api("PUT", f"{path}/hw:numa_nodes", {"other": "2"}, who="admin")
    assert mismatch.body["badRequest"]["message"] == "Request body and URI mismatch"
    assert api("DELETE", f"{path}/hw:numa_nodes", who="admin").status == 200
    for method, body in (("GET", None), ("DELETE", None)):
        assert api(method, f"{path}/hw:numa_nodes", body, who="admin").status == 404
    assert api("POST", "/flavors/nope/os-extra_specs", made, who="admin").status == 404


@pytest.mark.parametrize(("key", "value", "good"), [
    ("hw:numa_nodes", "foo", False), ("hw:numa_nodes", "2", True), ("hw:banana", "1", False), ("my:own", "x", True),
    ("hw:cpu_policy", "Dedicated", False),
    ("trait:HW_CPU_X86_AVX2", "required", True), ("quota:cpu_shares", "x", False),
    ("trait:CUSTOM_GOLD", "maybe", False), ("resources1:VCPU", "2", True), ("hw:mem_page_size", "2048", True),
    ("resources:VCPU", "many", False), ("plain", "anything", True), ("group_policy", "sometimes", False)])
def test_known_extra_specs_are_checked_from_2_86(api: Api, key: str, value: str, good: bool) -> None:
    body = {"extra_specs": {key: value}}
    assert api("POST", "/flavors/1/os-extra_specs", body, who="admin", version="2.85").status == 200
    answer = api("POST", "/flavors/1/os-extra_specs", body, who="admin", version="2.86")
    assert answer.status == (200 if good else 400)
    assert good or answer.body["badRequest"]["message"].startswith("Validation failed; ")
