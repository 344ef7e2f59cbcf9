# SPDX-License-Identifier: Apache-2.0
"""Resource providers: records, filters, trees, aggregates and traits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.placement.conftest import A1, A2, P1, P2, P3, Client, Connect, allocate, make_provider


def uuids(api: Client, query: str) -> list[str]:
    return [p["uuid"] for p in api("GET", f"/resource_providers?{query}")["resource_providers"]]


def test_a_provider_lives(api: Client) -> None:
    answer = api.raw("POST", "/resource_providers", {"name": "host", "uuid": P1})
    assert (answer.status_code, answer.headers["Location"]) == (200, f"/placement/resource_providers/{P1}")
    assert answer.headers["Cache-Control"] == "no-cache" and answer.headers["Last-Modified"].endswith("GMT")
    made = answer.json()
    assert {k: made[k] for k in ("uuid", "name", "generation", "parent_provider_uuid", "root_provider_uuid")} == {
        "uuid": P1, "name": "host", "generation": 0, "parent_provider_uuid": None, "root_provider_uuid": P1}
    assert [link["rel"] for link in made["links"]] == ["self", "inventories", "usages", "aggregates", "traits",
                                                       "allocations"]
    assert api("GET", f"/resource_providers/{P1}") == made
    assert api("PUT", f"/resource_providers/{P1}", {"name": "renamed"})["name"] == "renamed"
    assert uuids(api, "name=renamed") == [P1]
    api("DELETE", f"/resource_providers/{P1}", expect=204)
    api("DELETE", f"/resource_providers/{P1}", expect=404)


@pytest.mark.parametrize(("version", "rels", "fields"), [
    ("1.0", 3, {"uuid", "name", "generation", "links"}), ("1.1", 4, {"uuid", "name", "generation", "links"}),
    ("1.6", 5, {"uuid", "name", "generation", "links"}), ("1.11", 6, {"uuid", "name", "generation", "links"}),
    ("1.14", 6, {"uuid", "name", "generation", "links", "parent_provider_uuid", "root_provider_uuid"})])
def test_the_form_follows_the_version(connect: Connect, version: str, rels: int, fields: set[str]) -> None:
    old = connect("root", version)
    answer = old.raw("POST", "/resource_providers", {"name": "host", "uuid": P1})
    assert (answer.status_code, answer.content) == (201, b"")
    shown = old.raw("GET", f"/resource_providers/{P1}")
    assert set(shown.json()) == fields and len(shown.json()["links"]) == rels
    assert "Last-Modified" not in shown.headers


@pytest.mark.parametrize(("body", "status"), [
    ({}, 400), ({"name": ""}, 400), ({"name": "x" * 201}, 400), ({"name": "x", "uuid": "no"}, 400),
    ({"name": "x", "colour": 1}, 400), ({"name": 5}, 400), ([], 400),
    ({"name": "host-1"}, 409), ({"name": "x", "uuid": P1}, 409), ({"name": "x", "parent_provider_uuid": P3}, 400)])
def test_bad_providers_are_refused(api: Client, body: Any, status: int) -> None:
    make_provider(api)
    api("POST", "/resource_providers", body, expect=status)
    assert uuids(api, "") == [P1]


def test_trees(api: Client) -> None:
    make_provider(api, P1)
    api("POST", "/resource_providers", {"name": "child", "uuid": P2, "parent_provider_uuid": P1})
    make_provider(api, P3)
    assert uuids(api, f"in_tree={P2}") == [P2, P1]
    adopted = api("PUT", f"/resource_providers/{P3}", {"name": "host-3", "parent_provider_uuid": P2})
    assert (adopted["parent_provider_uuid"], adopted["root_provider_uuid"]) == (P2, P1)
    api("PUT", f"/resource_providers/{P3}", {"name": "host-3", "parent_provider_uuid": P1}, expect=400)
    api("PUT", f"/resource_providers/{P1}", {"name": "host-1", "parent_provider_uuid": P3}, expect=400)
    api("DELETE", f"/resource_providers/{P1}", expect=409)


def test_filters(api: Client) -> None:
    make_provider(api, P1, VCPU={"total": 4})
    generation = make_provider(api, P2, VCPU={"total": 8}, MEMORY_MB={"total": 1024})
    api("PUT", f"/resource_providers/{P2}/aggregates",
        {"aggregates": [A1], "resource_provider_generation": generation})
    api("PUT", f"/resource_providers/{P2}/traits",
        {"traits": ["HW_CPU_X86_AVX"], "resource_provider_generation": generation + 1})
    assert uuids(api, "resources=VCPU:5") == [P2]
    assert uuids(api, "resources=VCPU:4") == [P1, P2]
    assert uuids(api, "resources=VCPU:1,MEMORY_MB:1") == [P2]
    assert uuids(api, f"member_of={A1}") == uuids(api, f"member_of=in:{A2},{A1}") == [P2]
    assert uuids(api, f"member_of={A1}&member_of={A2}") == []
    assert uuids(api, "required=HW_CPU_X86_AVX") == [P2]
    assert uuids(api, "required=!HW_CPU_X86_AVX") == [P1]
    assert uuids(api, f"uuid={P1}") == [P1]
    allocate(api, P3, {"VCPU": 3})
    assert uuids(api, "resources=VCPU:2") == [P2]


@pytest.mark.parametrize("query", [
    "resources=VCPU", "resources=VCPU:0", "resources=VCPU:x", "resources=NONE:1", "resources=VCPU:1,VCPU:2",
    f"resources=VCPU:{'9' * 5000}", "required=NO_SUCH_TRAIT", "required=", "required=HW_CPU_X86_AVX,!HW_CPU_X86_AVX",
    "member_of=x", f"member_of={A1},{A2}", "uuid=x", "colour=red"])
def test_bad_filters_are_refused(api: Client, query: str) -> None:
    api("GET", f"/resource_providers?{query}", expect=400)


def test_filters_come_with_their_versions(connect: Connect) -> None:
    for query, first in ((f"member_of={A1}", 3), ("resources=VCPU:1", 4), (f"in_tree={P1}", 14),
                         ("required=HW_CPU_X86_AVX", 18), ("required=!HW_CPU_X86_AVX", 22),
                         (f"member_of={A1}&member_of={A2}", 24)):
        connect("root", f"1.{first - 1}")("GET", f"/resource_providers?{query}", expect=400)
        connect("root", f"1.{first}")("GET", f"/resource_providers?{query}")


def test_aggregates(api: Client, connect: Connect) -> None:
    make_provider(api)
    path = f"/resource_providers/{P1}/aggregates"
    body = {"aggregates": [A2, A1], "resource_provider_generation": 0}
    assert api("PUT", path, body) == {"aggregates": [A1, A2], "resource_provider_generation": 1}
    api("PUT", path, body, expect=409)
    assert api("GET", path)["aggregates"] == [A1, A2]
    old = connect("root", "1.1")
    assert old("PUT", path, [A1]) == {"aggregates": [A1]}
    connect("root", "1.0")("GET", path, expect=404)


def test_traits_of_a_provider(api: Client) -> None:
    make_provider(api)
    path = f"/resource_providers/{P1}/traits"
    api("PUT", "/traits/CUSTOM_GOLD", expect=201)
    api("PUT", "/traits/CUSTOM_GOLD", expect=204)
    body = {"traits": ["CUSTOM_GOLD", "HW_CPU_X86_AVX"], "resource_provider_generation": 0}
    assert api("PUT", path, body)["traits"] == ["CUSTOM_GOLD", "HW_CPU_X86_AVX"]
    api("PUT", path, body, expect=409)
    api("PUT", path, {"traits": ["CUSTOM_LEAD"], "resource_provider_generation": 1}, expect=400)
    assert api("GET", "/traits?name=startswith:CUSTOM_")["traits"] == ["CUSTOM_GOLD"]
    assert api("GET", "/traits?associated=true")["traits"] == ["CUSTOM_GOLD", "HW_CPU_X86_AVX"]
    assert api("GET", "/traits?name=in:HW_CPU_X86_AVX,NONE")["traits"] == ["HW_CPU_X86_AVX"]
    api("GET", "/traits?name=CUSTOM", expect=400)
    api("GET", "/traits/CUSTOM_GOLD", expect=204)
    api("GET", "/traits/CUSTOM_LEAD", expect=404)
    api("DELETE", "/traits/CUSTOM_GOLD", expect=409)
    api("DELETE", path, expect=204)
    assert api("GET", path)["traits"] == []
    api("DELETE", "/traits/CUSTOM_GOLD", expect=204)
    api("DELETE", "/traits/HW_CPU_X86_AVX", expect=400)
    api("PUT", "/traits/custom_gold", expect=400)


def test_resource_classes(api: Client, connect: Connect) -> None:
    names = [c["name"] for c in api("GET", "/resource_classes")["resource_classes"]]
    assert {"VCPU", "MEMORY_MB", "DISK_GB"} <= set(names)
    api("POST", "/resource_classes", {"name": "CUSTOM_GPU"}, expect=201)
    api("POST", "/resource_classes", {"name": "CUSTOM_GPU"}, expect=409)
    api("POST", "/resource_classes", {"name": "GPU"}, expect=400)
    api("PUT", "/resource_classes/CUSTOM_GPU", expect=204)
    api("PUT", "/resource_classes/CUSTOM_FPGA", expect=201)
    assert api("GET", "/resource_classes/CUSTOM_GPU") == {"name": "CUSTOM_GPU", "links": [
        {"rel": "self", "href": "/placement/resource_classes/CUSTOM_GPU"}]}
    old = connect("root", "1.2")
    assert old("PUT", "/resource_classes/CUSTOM_FPGA", {"name": "CUSTOM_NPU"})["name"] == "CUSTOM_NPU"
    make_provider(api, P1, CUSTOM_GPU={"total": 2})
    api("DELETE", "/resource_classes/CUSTOM_GPU", expect=409)
    api("DELETE", "/resource_classes/CUSTOM_NPU", expect=204)
    api("DELETE", "/resource_classes/CUSTOM_NPU", expect=404)
    api("DELETE", "/resource_classes/VCPU", expect=400)
