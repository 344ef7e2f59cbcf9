# SPDX-License-Identifier: Apache-2.0
"""The API against the table of all its operations: each has a route with the same microversions and success status."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from nova.api.compute import application, versions
from nova.web.routing import Resource, Route
from tests.api.compute.conftest import Api

TABLE = Path(__file__).with_name("operations.tsv")
Key = tuple[str, str, str]

#: Operations of the table without a route, each with the reason.
OPEN: dict[Key, str] = {}
#: Operations whose handler or microversion chooses among several statuses; the route's own is another.
OTHER_STATUS: dict[Key, str] = {
    ("DELETE", "/os-keypairs/{id}", ""): "202 until 2.1, 204 since",
    ("POST", "/servers/{id}/action", "addFloatingIp"): "202: what clients of the time expect of an action",
    ("POST", "/servers/{id}/action", "removeFloatingIp"): "202: what clients of the time expect of an action"}

#: What the reference implementation does not have.
OUR_OWN: set[Key] = {("POST", "/os-placement-explain", ""), ("GET", "/servers/events", ""),
                     ("GET", "/os-host-drains", ""), ("POST", "/os-host-drains", ""), ("GET", "/os-host-drains/{}", ""),
                     ("DELETE", "/os-host-drains/{}", "")}


def wanted() -> list[dict[str, str]]:
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def key_of(row: dict[str, str]) -> Key:
    return row["method"], shape(row["path"]), row["action"]


def shape(path: str) -> str:
    """The path without the names of its variables, which no client sees."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def served(api: Api) -> dict[Key, list[Route]]:
    found: dict[Key, list[Route]] = {}
    resources: Iterable[Resource] = [Resource(versions.ROUTES, None), *application.resources(api.deps)]
    for resource in resources:
        for route in resource.routes:
            found.setdefault((route.method, shape(route.path), route.action or ""), []).append(route)
    return found


def test_the_table_is_whole() -> None:
    rows = wanted()
    assert len(rows) == 265
    assert len({key_of(row) for row in rows}) == 265


def test_every_operation_has_a_route(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    routes, rows = served(api), wanted()
    missing = {key_of(row) for row in rows} - set(routes)
    with capsys.disabled():
        print(f" {len(rows) - len(missing)} of {len(rows)} operations are served", end="")
    assert missing == {(method, shape(path), action) for method, path, action in OPEN}


def test_no_route_is_unknown_to_the_table(api: Api) -> None:
    assert set(served(api)) - {key_of(row) for row in wanted()} == OUR_OWN


def test_microversions_and_statuses_are_those_of_the_table(api: Api) -> None:
    routes = served(api)
    other: set[Key] = set()
    for row in wanted():
        for_row = routes.get(key_of(row), [])
        first = min((route.versions or ("2.1", None))[0] for route in for_row)
        lasts = [(route.versions or ("2.1", None))[1] for route in for_row]
        assert first == row["min"], row
        assert (None if None in lasts else max(str(last) for last in lasts)) == (row["max"] or None), row
        if row["status"] == "410":
            assert {route.handler for route in for_row} == {"gone"}, row
        elif {route.success for route in for_row} != {int(row["status"])}:
            other.add(key_of(row))
    assert other == {(method, shape(path), action) for method, path, action in OTHER_STATUS}


def test_what_is_gone_says_so_at_every_version(api: Api) -> None:
    for row in wanted():
        if row["status"] == "410":
            path = row["path"].replace("{", "").replace("}", "")
            body = {row["action"]: None} if row["action"] else None
            assert api(row["method"], path, body, who="admin").status == 410, row


def test_the_newest_microversion_is_the_claim() -> None:
    assert (versions.MIN, versions.MAX) == ("2.1", "2.104")
