# SPDX-License-Identifier: Apache-2.0
"""Lists of images over HTTP: filters, order, pages."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.image.conftest import make, make_active


def names(client: httpx.Client, **params: Any) -> list[str]:
    answer = client.get("/v2/images", params=params)
    assert answer.status_code == 200, answer.text
    return [i["name"] for i in answer.json()["images"]]


@pytest.fixture
def three(alice: httpx.Client) -> list[str]:
    return [make(alice, name="a", min_ram=64, os_type="linux", tags=["x", "y"])["id"],
            make_active(alice, name="b,c", min_disk=2, tags=["x"]),
            make(alice, name=None, disk_format="qcow2", protected=True, os_hidden=True)["id"]]


@pytest.mark.parametrize(("params", "expected"), [
    ({}, ["b,c", "a"]), ({"name": "a"}, ["a"]), ({"status": "queued"}, ["a"]), ({"status": "active"}, ["b,c"]),
    ({"name": 'in:a,"b,c",z'}, ["b,c", "a"]), ({"status": "in:active,saving"}, ["b,c"]), ({"min_ram": 64}, ["a"]),
    ({"min_disk": "2"}, ["b,c"]), ({"os_type": "linux"}, ["a"]), ({"os_type": "other"}, []),
    ({"tag": "x"}, ["b,c", "a"]), ({"tag": ["x", "y"]}, ["a"]), ({"protected": "true"}, []),
    ({"os_hidden": "true"}, [None]), ({"os_hidden": "true", "protected": "True"}, [None]),
    ({"size_min": 1}, ["b,c"]), ({"size_max": 1}, []), ({"visibility": "shared"}, ["b,c", "a"]),
    ({"visibility": "private"}, []), ({"owner": "p-alice"}, ["b,c", "a"]), ({"owner": "p-bob"}, []),
    ({"container_format": "bare"}, ["b,c", "a"]), ({"created_at": "gt:2020-01-01T00:00:00Z"}, ["b,c", "a"]),
    ({"created_at": "lte:2020-01-01"}, []), ({"updated_at": "neq:2020-01-01T00:00:00Z"}, ["b,c", "a"]),
])
def test_filters(alice: httpx.Client, three: list[str], params: dict[str, Any], expected: list[str]) -> None:
    assert names(alice, sort="created_at", **params) == expected


def test_equal_times_mean_the_same_second(alice: httpx.Client, three: list[str]) -> None:
    created = alice.get(f"/v2/images/{three[0]}").json()["created_at"]
    assert "a" in names(alice, created_at=created)
    assert "a" not in names(alice, created_at=f"neq:{created}")
    assert "a" not in names(alice, created_at=f"gt:{created}")
    assert "a" in names(alice, created_at=f"lte:{created}")


@pytest.mark.parametrize("params", [
    {"limit": "x"}, {"limit": "-1"}, {"marker": "nope"}, {"marker": "00000000-0000-0000-0000-000000000000"},
    {"sort_key": "checksum"}, {"sort_key": "name; drop table images"}, {"sort_dir": "up"}, {"sort": "name:sideways"},
    {"sort": "name", "sort_key": "name"}, {"sort_key": ["name"], "sort_dir": ["asc", "desc"]},
    {"visibility": "none"}, {"member_status": "maybe"}, {"status": "sleeping"}, {"protected": "perhaps"},
    {"os_hidden": "x"}, {"min_ram": "much"}, {"size_min": "-1"}, {"created_at": "gt:yesterday"},
    {"created_at": "near:2020-01-01"}, {"name": 'in:"a'}, {"name": "in:"}, {"changes-since": "2020-01-01"},
    {"p" * 256: "x"}, {"limit": "9" * 40},
])
def test_bad_questions_are_refused(alice: httpx.Client, params: dict[str, Any]) -> None:
    answer = alice.get("/v2/images", params=params)
    assert answer.status_code == 400 and answer.json()["message"], answer.text


def test_order(alice: httpx.Client, three: list[str]) -> None:
    assert names(alice, sort_key="name", sort_dir="asc") == ["a", "b,c"]
    assert names(alice, sort="name:desc") == ["b,c", "a"]
    assert names(alice, sort="size:asc,name:asc") == ["a", "b,c"]
    assert names(alice, sort_key=["status", "name"], sort_dir=["desc", "asc"]) == ["a", "b,c"]


@pytest.mark.parametrize("sort", ["created_at:asc", "name:desc", "size:asc,name:asc", "disk_format:asc,id:desc"])
def test_pages_hold_every_image_once(alice: httpx.Client, sort: str) -> None:
    for number in range(7):
        make(alice, name=f"n{number % 3}" if number % 3 else None)
    whole = [i["id"] for i in alice.get("/v2/images", params={"sort": sort}).json()["images"]]
    seen, link, pages = [], f"/v2/images?limit=3&sort={sort}", 0
    while link:
        page = alice.get(link).json()
        assert page["first"].startswith("/v2/images?limit=3&sort=") and "marker" not in page["first"]
        seen += [i["id"] for i in page["images"]]
        link, pages = page.get("next"), pages + 1
    assert seen == whole and len(set(seen)) == 7 and pages == 3


def test_limits(alice: httpx.Client) -> None:
    for _ in range(27):
        make(alice)
    first = alice.get("/v2/images").json()
    assert len(first["images"]) == 25 and first["first"] == "/v2/images"
    assert len(alice.get(first["next"]).json()["images"]) == 2
    assert len(alice.get("/v2/images?limit=1000000").json()["images"]) == 27
    nothing = alice.get("/v2/images?limit=0").json()
    assert nothing["images"] == [] and "next" not in nothing
