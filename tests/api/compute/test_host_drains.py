# SPDX-License-Identifier: Apache-2.0
"""Emptying a host through the API: what may be asked, what is told, calling it off."""

from __future__ import annotations

import pytest

from tests.api.compute.conftest import Api

PATH = "/os-host-drains"


def test_a_drain_is_accepted_listed_shown_and_called_off(api: Api) -> None:
    asked = {"host": "host1", "mode": "cold", "parallel": 3, "reason": "fans", "confirm_resizes": True}
    made = api("POST", PATH, {"drain": asked}, who="admin")
    assert made.status == 202
    drain = made.body["drain"]
    assert {k: drain[k] for k in (*asked, "state", "counts")} == asked | {"state": "open", "counts": {}}
    assert api("POST", PATH, {"drain": {"host": "host1"}}, who="admin").status == 409
    assert [d["id"] for d in api("GET", f"{PATH}?host=host1", who="admin").body["drains"]] == [drain["id"]]
    assert api("GET", f"{PATH}?host=host2", who="admin").body == {"drains": []}
    shown = f"{PATH}/{drain['id']}"
    assert api("GET", shown, who="admin").body["drain"] == drain | {"servers": []}
    assert api("DELETE", shown, who="admin").status == 204
    assert api("GET", shown, who="admin").body["drain"]["state"] == "cancelled"
    assert api("DELETE", shown, who="admin").status == 409
    again = api("POST", PATH, {"drain": {"host": "host1"}}, who="admin")
    assert (again.status, again.body["drain"]["confirm_resizes"]) == (202, False)


@pytest.mark.parametrize("body, status", [
    ({}, 400), ({"drain": {}}, 400), ({"drain": {"host": ""}}, 400),
    ({"drain": {"host": "host1", "mode": "warm"}}, 400), ({"drain": {"host": "host1", "parallel": 0}}, 400),
    ({"drain": {"host": "host1", "parallel": 101}}, 400), ({"drain": {"host": "host1", "more": 1}}, 400),
    ({"drain": {"host": "nowhere"}}, 404)])
def test_what_cannot_be_asked(api: Api, body: dict[str, object], status: int) -> None:
    assert api("POST", PATH, body, who="admin").status == status


def test_it_is_for_administrators(api: Api) -> None:
    assert api("POST", PATH, {"drain": {"host": "host1"}}).status == 403
    assert api("GET", PATH).status == 403
    assert api("GET", f"{PATH}/none", who="admin").status == 404
