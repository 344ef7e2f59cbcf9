# SPDX-License-Identifier: Apache-2.0
"""Actions that a host carries out: who may, locks, states, hosts that cannot, and what is accepted."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from oslo_config import cfg

from nova import conf
from nova.db.cell.tables import operations as cell_operations
from nova.virt import diagnostics, registry
from nova.virt.types import GuestSpec
from tests.api.compute.conftest import Api

#: action, body, state that allows it, one that does not, task state while it runs, answer when the host cannot, who.
TABLE: list[tuple[str, Any, str, str, str | None, int, str]] = [
    ("pause", None, "active", "stopped", "pausing", 501, "demo"),
    ("unpause", None, "paused", "active", "unpausing", 501, "demo"),
    ("suspend", None, "active", "paused", "suspending", 409, "demo"),
    ("resume", None, "suspended", "active", "resuming", 409, "demo"),
    ("unrescue", None, "rescued", "active", "unrescuing", 501, "demo"),
    ("changePassword", {"adminPass": "x"}, "active", "stopped", "updating_password", 501, "demo"),
    ("trigger_crash_dump", None, "rescued", "stopped", None, 400, "demo"),
]


def act(api: Api, server: str, action: str, body: Any, **how: Any) -> Any:
    return api("POST", f"/servers/{server}/action", {action: body}, version="2.17", **how)


@pytest.mark.parametrize("action, body, good, bad, running, unable, who", TABLE)
def test_an_action_is_accepted(api: Api, action: str, body: Any, good: str, bad: str, running: str | None, unable: int,
                               who: str) -> None:
    server = api.server(vm_state=good)
    assert act(api, server, action, body, who="reader").status == 403
    assert act(api, server, action, body, who="other").status in (403, 404)
    assert act(api, server, action, body, who=who).status == 202
    shown = api("GET", f"/servers/{server}", who="admin").body["server"]
    assert (shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]) == (good, running)
    listed = api("GET", f"/servers/{server}/os-instance-actions").body["instanceActions"]
    assert [entry["action"] for entry in listed] == [action]
    with api.cell.read() as conn:
        assert [row["host"] for row in cell_operations.open_of(conn, server)] == ["host1"]


@pytest.mark.parametrize("action, body, good, bad, running, unable, who", TABLE)
def test_an_action_is_refused(api: Api, action: str, body: Any, good: str, bad: str, running: str | None, unable: int,
                              who: str) -> None:
    wrong = act(api, api.server(vm_state=bad), action, body, who=who)
    assert (wrong.status, f"while it is in vm_state {bad}" in str(wrong.body)) == (409, True), wrong
    busy = act(api, api.server(vm_state=good, task_state="deleting"), action, body, who=who)
    assert (busy.status, "task_state deleting" in str(busy.body)) == (409, True), busy
    locked = act(api, api.server(vm_state=good, locked_by="owner"), action, body, who=who)
    assert (locked.status, "is locked" in str(locked.body)) == (409, True), locked
    lame = act(api, api.server(vm_state=good, host="host2"), action, body, who=who)
    assert (lame.status, "its host offers no" in str(lame.body)) == (unable, True), lame


def test_a_password_is_sealed_and_never_shown(api: Api) -> None:
    server = api.server()
    assert act(api, server, "changePassword", {"adminPass": "open sesame"}).status == 202
    with api.cell.read() as conn:
        row = cell_operations.open_of(conn, server)[0]
    assert row["secrets"] and "sesame" not in str(row)
    for path in (f"/servers/{server}", f"/servers/{server}/os-instance-actions",
                 f"/servers/{server}/os-instance-actions/{row['request_id']}"):
        assert "sesame" not in str(api("GET", path, who="admin").body)


def test_counters_as_the_host_tells_them(api: Api, tmp_path: pathlib.Path) -> None:
    """The host's part of the call is played here, by a fake hypervisor."""
    server = api.server()
    driver = registry.load("fake", conf.load("nova-test", [], [], cfg.ConfigOpts()), "host1", tmp_path)
    driver.start()
    driver.spawn(GuestSpec(uuid=server, name="vm", display_name="vm", vcpus=1, memory_mb=64, root_gb=1))

    def answer(topic: str, method: str, **call: Any) -> dict[str, Any]:
        assert (topic, method, call["server"], call["args"]["uuid"]) == ("compute", "diagnostics", "host1", server)
        found = driver.diagnostics(server)
        return diagnostics.common(found) if call["args"]["common"] else dict(diagnostics.counters(found))

    api.bus.answer = answer
    old, new = (api("GET", f"/servers/{server}/diagnostics", who="admin", version=v) for v in ("2.47", "2.48"))
    driver.stop()
    assert (old.status, new.status) == (200, 200) and old.body["memory"] == 64 * 1024
    assert (new.body["state"], new.body["driver"], new.body["num_cpus"]) == ("running", "libvirt", 1)


def test_counters_are_asked_of_the_host(api: Api) -> None:
    """Nobody is at the other end here; what hosts answer is tested with hosts."""
    server = api.server()
    for version in ("2.47", "2.48"):
        asked = api("GET", f"/servers/{server}/diagnostics", who="admin", version=version)
        assert (asked.status, asked.headers["retry-after"]) == (503, "10")


def test_network_information_is_written_into_the_guest(api: Api) -> None:
    """The host's part of the call is played here."""
    card = {"id": "p", "address": "fa:16:3e:00:00:01", "ips": [{"address": "10.0.0.5", "version": 4}]}
    server, told = api.server(network_info=[card]), dict[str, Any]()

    def take(topic: str, method: str, **call: Any) -> None:
        told.update(method=method, host=call["server"], **call["args"])

    api.bus.answer = take
    assert act(api, server, "injectNetworkInfo", None, who="admin").status == 202
    assert told == {"method": "inject_network_info", "host": "host1", "uuid": server, "vifs": [card]}
    assert api("GET", f"/servers/{server}/os-instance-actions").body == {"instanceActions": []}
    assert act(api, api.server(host="host2"), "injectNetworkInfo", None, who="admin").status == 409


def test_a_silent_host_cannot_write_network_information(api: Api) -> None:
    refused = act(api, api.server(), "injectNetworkInfo", None, who="admin")
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
