# SPDX-License-Identifier: Apache-2.0
"""createImage, createBackup, shelve, shelveOffload and unshelve: bodies, answers, who may, states, what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from nova.context import service_context
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services
from tests.api.compute.conftest import Api

BACKUP = {"name": "b", "backup_type": "daily", "rotation": 1}
IMAGE = {"name": "i", "metadata": {"a": "b"}}

#: action, body, state that allows it, one that does not, the task meanwhile, who, microversion.
TABLE: list[tuple[str, Any, str, str, str, str, str]] = [
    ("createImage", IMAGE, "active", "error", "image_snapshot_pending", "demo", "2.1"),
    ("createImage", IMAGE, "paused", "shelved", "image_snapshot_pending", "demo", "2.104"),
    ("createBackup", BACKUP, "stopped", "error", "image_backup", "demo", "2.1"),
    ("createBackup", BACKUP | {"rotation": 0}, "suspended", "rescued", "image_backup", "demo", "2.104"),
    ("shelve", None, "active", "error", "shelving", "demo", "2.1"),
    ("shelve", None, "suspended", "shelved", "shelving", "demo", "2.104"),
    ("shelveOffload", None, "shelved", "active", "shelving_offloading", "admin", "2.1"),
    ("unshelve", None, "shelved_offloaded", "active", "unshelving", "demo", "2.1"),
    ("unshelve", {"availability_zone": "nova"}, "shelved_offloaded", "active", "unshelving", "demo", "2.77"),
    ("unshelve", {"host": "host1"}, "shelved_offloaded", "active", "unshelving", "admin", "2.91"),
    ("unshelve", {"availability_zone": None}, "shelved_offloaded", "active", "unshelving", "demo", "2.91"),
]
NOT_LOCKED = {"createImage", "createBackup"}


def act(api: Api, server: str, action: str, body: Any, **how: Any) -> Any:
    return api("POST", f"/servers/{server}/action", {action: body}, **how)


def shown(api: Api, server: str) -> dict[str, Any]:
    found: dict[str, Any] = api("GET", f"/servers/{server}", who="admin", version="2.104").body["server"]
    return found


@pytest.mark.parametrize("action, body, good, bad, task, who, version", TABLE)
def test_an_action(api: Api, action: str, body: Any, good: str, bad: str, task: str, who: str, version: str) -> None:
    server = api.server(vm_state=good)
    how = {"who": who, "version": version}
    answer = act(api, server, action, body, **how)
    assert answer.status == 202, answer
    found = shown(api, server)
    assert (found["OS-EXT-STS:vm_state"], found["OS-EXT-STS:task_state"]) == (good, task)
    with api.cell.read() as conn:
        assert [row["action"] for row in cell_operations.open_of(conn, server)] == [action]
    assert act(api, server, action, body, who="reader", version=version).status == 403
    assert act(api, server, action, body, who="other", version=version).status in (403, 404)
    other = act(api, api.server(vm_state=bad), action, body, **how)
    assert (other.status, f"while it is in vm_state {bad}" in str(other.body)) == (409, True), other
    busy = act(api, api.server(vm_state=good, task_state="deleting"), action, body, **how)
    assert (busy.status, "task_state deleting" in str(busy.body)) == (409, True), busy
    locked = act(api, api.server(vm_state=good, locked_by="owner"), action, body, **how)
    may = action in NOT_LOCKED or who == "admin"
    assert (locked.status, "is locked" in str(locked.body)) == ((202, False) if may else (409, True)), locked


def test_where_the_image_is_told(api: Api) -> None:
    old = act(api, api.server(), "createImage", IMAGE, version="2.44")
    assert old.body is None and "/images/" in old.headers["location"]
    new = act(api, api.server(), "createImage", IMAGE, version="2.45")
    assert "location" not in new.headers and set(new.body) == {"image_id"}
    for rotation, told in ((1, True), (0, False)):
        answer = act(api, api.server(), "createBackup", BACKUP | {"rotation": rotation}, version="2.44")
        assert ("location" in answer.headers, answer.body) == (told, None)
    answer = act(api, api.server(), "createBackup", BACKUP | {"rotation": 0}, version="2.45")
    assert set(answer.body) == {"image_id"}


def test_the_image_is_there_from_the_start(api: Api) -> None:
    server = api.server()
    made = act(api, server, "createImage", IMAGE, version="2.45").body["image_id"]
    image = api.deps.images.show(service_context(), made)  # type: ignore[attr-defined]
    assert (image.name, image.status, image.owner, image.visibility) == ("i", "queued", "d" * 32, "private")
    assert image.properties["instance_uuid"] == server and image.properties["a"] == "b"


@pytest.mark.parametrize("action, body, version, status", [
    ("createImage", {}, "2.1", 400), ("createImage", {"name": ""}, "2.1", 400),
    ("createImage", {"name": "x" * 256}, "2.1", 400), ("createImage", {"name": "n", "metadata": {"": "x"}}, "2.1", 400),
    ("createImage", {"name": "n", "metadata": {"owner": "x"}}, "2.1", 403),
    ("createImage", {"name": "n", "metadata": {str(i): "x" for i in range(129)}}, "2.1", 403),
    ("createBackup", BACKUP | {"rotation": -1}, "2.1", 400), ("createBackup", {"name": "n"}, "2.1", 400),
    ("shelve", {"x": 1}, "2.75", 202), ("shelveOffload", None, "2.1", 409)])
def test_bodies(api: Api, action: str, body: Any, version: str, status: int) -> None:
    answer = act(api, api.server(), action, body, version=version, who="admin")
    assert answer.status == status, answer


@pytest.mark.parametrize("version, body, status", [
    ("2.76", {"availability_zone": 7}, 202), ("2.77", {"availability_zone": "nowhere"}, 400), ("2.77", {}, 400),
    ("2.77", {"host": "host1"}, 400), ("2.91", {}, 400), ("2.91", {"host": "host1"}, 403)])
def test_where_to_unshelve(api: Api, version: str, body: Any, status: int) -> None:
    assert act(api, api.server(vm_state="shelved_offloaded"), "unshelve", body, version=version).status == status


def test_zones_and_hosts_of_an_unshelve(api: Api) -> None:
    def ask(body: Any, **values: Any) -> tuple[int, str | None]:
        server = api.server(**{"vm_state": "shelved_offloaded", "host": None} | values)
        answer = act(api, server, "unshelve", body, who="admin", version="2.104")
        return answer.status, shown(api, server)["pinned_availability_zone"]

    assert ask({"availability_zone": "nova"}) == (202, "nova")
    assert ask({"availability_zone": None}, pinned_availability_zone="nova") == (202, None)
    assert ask(None, pinned_availability_zone="nova") == (202, "nova")
    assert ask({"host": "host1"}, pinned_availability_zone="nova") == (202, "nova")
    assert ask({"host": "host1"}, pinned_availability_zone="elsewhere") == (409, "elsewhere")
    assert ask({"host": "host1", "availability_zone": None}, pinned_availability_zone="elsewhere") == (202, None)
    assert ask({"host": "nowhere"}) == (400, None)
    for body in ({"availability_zone": "nova"}, {"host": "host1"}, {"availability_zone": None}):
        assert ask(body, vm_state="shelved", host="host1")[0] == 409


def test_a_host_that_cannot_or_is_down_is_told_of(api: Api) -> None:
    for action, body in (("createImage", IMAGE), ("createBackup", BACKUP), ("shelve", None)):
        answer = act(api, api.server(host="host2"), action, body)
        assert (answer.status, "its host offers no Snapshots" in str(answer.body)) == (409, True)
        answer = act(api, api.server(host=None), action, body)
        assert (answer.status, "is not ready" in str(answer.body)) == (409, True)
    with api.cell.write() as conn:
        t = services.services
        conn.execute(t.update().where(t.c.host == "host1").values(last_seen=0.0))
    answer = act(api, api.server(), "createImage", IMAGE)
    assert (answer.status, "is down" in str(answer.body)) == (409, True)


def test_a_delete_remembers_the_images_to_remove(api: Api) -> None:
    server = api.server(vm_state="shelved_offloaded", host=None, system_metadata={"shelved_image_id": "x"})
    running = api.server()
    made = act(api, running, "createImage", IMAGE, version="2.45").body["image_id"]
    for uuid in (server, running):
        assert api("DELETE", f"/servers/{uuid}").status == 204
    with api.cell.read() as conn:
        found = [cell_operations.open_of(conn, uuid)[0]["inputs"] for uuid in (server, running)]
        assert instances.get(conn, server)["task_state"] == "deleting"  # type: ignore[index]
    assert found[0]["shelved"] == "x" and found[1]["unfinished"] == [made]
