# SPDX-License-Identifier: Apache-2.0
"""Soft delete over HTTP: what DELETE, restore and forceDelete do, and who sees such servers."""

from __future__ import annotations

import dataclasses

from nova.db.cell.tables import operations as cell_operations
from tests.api.compute.conftest import Api


def task(api: Api, server: str) -> str | None:
    told: str | None = api("GET", f"/servers/{server}").body["server"]["OS-EXT-STS:task_state"]
    return told


def actions(api: Api, server: str) -> list[str]:
    with api.cell.read() as conn:
        return [row["action"] for row in cell_operations.of_instance(conn, server)]


def test_a_delete_where_deleted_servers_are_kept(api: Api) -> None:
    operations = api.deps.operations
    operations.deps = dataclasses.replace(operations.deps, reclaim=3600.0)
    server = api.server(vm_state="stopped")
    assert api("DELETE", f"/servers/{server}").status == 204
    assert task(api, server) == "soft-deleting"
    assert api("DELETE", f"/servers/{server}").status == 204
    assert actions(api, server) == ["soft_delete"]
    assert api("DELETE", f"/servers/{api.server(locked_by='admin')}").status == 409
    for state, action in (("shelved", "soft_delete"), ("rescued", "soft_delete"), ("building", "delete")):
        other = api.server(vm_state=state)
        assert api("DELETE", f"/servers/{other}").status == 204 and actions(api, other) == [action]
    assert api("POST", f"/servers/{server}/action", {"forceDelete": None}).status == 202
    assert task(api, server) == "deleting"
    assert actions(api, server) == ["delete", "soft_delete"]


def test_a_restore(api: Api) -> None:
    server = api.server(vm_state="soft-delete")
    assert api("POST", f"/servers/{server}/action", {"restore": None}).status == 202
    assert task(api, server) == "restoring"
    assert actions(api, server) == ["restore"]
    again = api("POST", f"/servers/{server}/action", {"restore": None})
    assert (again.status, "task_state restoring" in str(again.body)) == (409, True)
    active = api("POST", f"/servers/{api.server()}/action", {"restore": None})
    assert (active.status, "vm_state active" in str(active.body)) == (409, True)
    locked = api.server(vm_state="soft-delete", locked_by="admin")
    assert api("POST", f"/servers/{locked}/action", {"restore": None}).status == 409
    other = api("POST", f"/servers/{api.server(vm_state='soft-delete')}/action", {"restore": None}, who="other")
    assert other.status == 404


def test_kept_servers_are_listed_only_when_asked_for(api: Api) -> None:
    kept, living = api.server(vm_state="soft-delete"), api.server()

    def listed(query: str, who: str = "demo") -> set[str]:
        return {s["id"] for s in api("GET", f"/servers/detail{query}", who=who).body["servers"]}

    assert listed("") == {living}
    assert listed("?status=SOFT_DELETED") == {kept}
    assert listed("?soft_deleted=1") == {living}
    assert listed("?all_tenants=1&soft_deleted=1", "admin") == {living, kept}
    assert api("GET", f"/servers/{kept}").body["server"]["status"] == "SOFT_DELETED"
