# SPDX-License-Identifier: Apache-2.0
"""The action that boots a server from a rescue image: its answer, whose image, and when it is refused."""

from __future__ import annotations

from typing import Any

from nova.db.cell.tables import operations as cell_operations
from tests.api.compute.conftest import IMAGE, Api

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def rescue(api: Api, server: str, body: Any = None, **how: Any) -> Any:
    return api("POST", f"/servers/{server}/action", {"rescue": body}, **how)


def test_it_answers_with_the_password_and_keeps_it_to_itself(api: Api) -> None:
    server = api.server()
    answer = rescue(api, server, {"adminPass": "open sesame", "rescue_image_ref": IMAGE})
    assert (answer.status, answer.body) == (200, {"adminPass": "open sesame"})
    shown = api("GET", f"/servers/{server}", who="admin").body["server"]
    assert (shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]) == ("active", "rescuing")
    with api.cell.read() as conn:
        [row] = cell_operations.open_of(conn, server)
    assert row["inputs"]["image_ref"] == IMAGE and "open sesame" not in str(row)


def test_a_password_is_made_and_the_servers_image_taken(api: Api) -> None:
    server = api.server(vm_state="stopped")
    answer = rescue(api, server)
    assert answer.status == 200 and len(answer.body["adminPass"]) == 12
    with api.cell.read() as conn:
        [row] = cell_operations.open_of(conn, server)
    assert row["inputs"] == {"image_ref": IMAGE, "from": "stopped", "host": "host1"}


def test_what_is_refused(api: Api) -> None:
    assert rescue(api, api.server(), who="reader").status == 403
    assert rescue(api, api.server(), who="other").status in (403, 404)
    assert rescue(api, api.server(), {"rescue_image_ref": UNKNOWN}).status == 400
    assert rescue(api, api.server(image_ref="")).status == 400
    assert rescue(api, api.server(vm_state="paused")).status == 409
    assert rescue(api, api.server(locked_by="owner")).status == 409
    lame = rescue(api, api.server(host="host2"))
    assert (lame.status, "its host offers no Rescue" in str(lame.body)) == (501, True)
