# SPDX-License-Identifier: Apache-2.0
"""What tests about servers share: a body that makes one, and two ways to look."""

from __future__ import annotations

from typing import Any

from tests.api.compute.conftest import IMAGE, Api

BODY = {"name": "vm", "imageRef": IMAGE, "flavorRef": "1", "networks": "none"}


def show(api: Api, uuid_: str, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = api("GET", f"/servers/{uuid_}", **how).body["server"]
    return found


def ids(api: Api, query: str = "", **how: Any) -> list[str]:
    answer = api("GET", f"/servers{query}", **how)
    assert answer.status == 200, answer
    return [server["id"] for server in answer.body["servers"]]
