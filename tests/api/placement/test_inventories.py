# SPDX-License-Identifier: Apache-2.0
"""Inventories: full and single writes under generations, refusals, usages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.placement.conftest import C1, P1, P2, Client, Connect, allocate, make_provider

PATH = f"/resource_providers/{P1}/inventories"
FULL = {"total": 4, "reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 1, "allocation_ratio": 1.0}


def test_all_inventories_are_set_at_once_under_the_generation(api: Client) -> None:
    generation = make_provider(api, P1, VCPU={"total": 4}, DISK_GB={"total": 10, "reserved": 2})
    listed = api("GET", PATH)
    assert listed == {"resource_provider_generation": generation,
                      "inventories": {"VCPU": FULL, "DISK_GB": FULL | {"total": 10, "reserved": 2}}}
    body = {"resource_provider_generation": generation, "inventories": {"VCPU": {"total": 8, "allocation_ratio": 2.5}}}
    assert api("PUT", PATH, body)["inventories"] == {"VCPU": FULL | {"total": 8, "allocation_ratio": 2.5}}
    error = api("PUT", PATH, body, expect=409)["errors"][0]
    assert error["code"] == "placement.concurrent_update"


def test_one_inventory(api: Client) -> None:
    make_provider(api)
    answer = api.raw("POST", PATH, {"resource_class": "VCPU", "total": 4})
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/placement{PATH}/VCPU")
    assert answer.json() == FULL | {"resource_provider_generation": 1}
    api("POST", PATH, {"resource_class": "VCPU", "total": 4}, expect=409)
    body = {"resource_provider_generation": 1, "total": 6}
    assert api("PUT", f"{PATH}/VCPU", body)["total"] == 6
    api("PUT", f"{PATH}/VCPU", body, expect=409)
    api("PUT", f"{PATH}/DISK_GB", body | {"resource_provider_generation": 2}, expect=404)
    assert api("GET", f"{PATH}/VCPU")["total"] == 6
    api("DELETE", f"{PATH}/VCPU", expect=204)
    api("GET", f"{PATH}/VCPU", expect=404)
    api("DELETE", f"{PATH}/VCPU", expect=404)


@pytest.mark.parametrize("values", [
    {"total": 0}, {"total": "x"}, {"total": 4, "reserved": 4}, {"total": 4, "reserved": -1},
    {"total": 4, "step_size": 0}, {"total": 4, "allocation_ratio": 0}, {"total": 2**31}, {"total": 4, "used": 1}, {}])
def test_bad_inventories_are_refused(api: Client, values: dict[str, Any]) -> None:
    make_provider(api)
    api("POST", PATH, {"resource_class": "VCPU", **values}, expect=400)
    api("PUT", PATH, {"resource_provider_generation": 0, "inventories": {"VCPU": values}}, expect=400)
    assert api("GET", PATH) == {"resource_provider_generation": 0, "inventories": {}}


def test_unknown_classes_and_providers(api: Client) -> None:
    make_provider(api)
    body = {"resource_provider_generation": 0, "inventories": {"CUSTOM_NONE": {"total": 1}}}
    api("PUT", PATH, body, expect=400)
    api("PUT", PATH.replace(P1, P2), body, expect=404)
    assert api("GET", PATH)["resource_provider_generation"] == 0


def test_what_is_claimed_cannot_be_removed(api: Client, connect: Connect) -> None:
    generation = make_provider(api, P1, VCPU={"total": 4}, DISK_GB={"total": 10})
    allocate(api, C1, {"VCPU": 2})
    error = api("DELETE", f"{PATH}/VCPU", expect=409)["errors"][0]
    assert error["code"] == "placement.inventory.inuse"
    api("PUT", PATH, {"resource_provider_generation": generation + 1, "inventories": {}}, expect=409)
    api("DELETE", PATH, expect=409)
    connect("root", "1.4")("DELETE", PATH, expect=404)
    assert api("GET", f"/resource_providers/{P1}/usages")["usages"] == {"VCPU": 2, "DISK_GB": 0}
    api("DELETE", f"/allocations/{C1}", expect=204)
    api("DELETE", PATH, expect=204)
    assert api("GET", PATH)["inventories"] == {}
