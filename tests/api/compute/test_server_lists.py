# SPDX-License-Identifier: Apache-2.0
"""Lists of servers as data: each line of server_lists.tsv is a query of one persona at one microversion, and the names
of the servers that it gives in their order, or the status of its refusal."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from nova.db.api import cells as mappings
from tests.api.compute.conftest import IMAGE, Api

TABLE = Path(__file__).with_name("server_lists.tsv")
START = 1795211744.0  # 2026-11-20T21:55:44Z


@pytest.fixture
def named(api: Api) -> dict[str, str]:
    """Servers in the cell, in cell0, without a cell, of another project, and deleted; a minute between them."""
    def at(minutes: int, **values: Any) -> dict[str, Any]:
        moment = START + 50.0 * minutes
        return {"created_at": moment, "updated_at": moment + 1, "launched_at": None, **values}

    found = {
        "web": api.server(display_name="web", hostname="web", tags=["blue"], reservation_id="r-web", key_name="k1",
                          addresses="10.0.0.5", locked_by="admin", config_drive="True", auto_disk_config=True,
                          display_description="about", **at(0) | {"launched_at": START + 1}),
        "db": api.server(display_name="db", hostname="data", tags=["blue", "green"], vm_state="stopped", power_state=4,
                         flavorid="2", host="host2", node="host2", addresses="10.0.0.61\nfd00::5", progress=50,
                         launch_index=3, **at(1)),
        "lost": api.server(display_name="lost", hostname="gone", vm_state="error", host=None, node=None, power_state=0,
                           cell=api.cell0, **at(3)),
        "theirs": api.server(project="other", display_name="theirs", hostname="their", **at(4)),
        "gone": api.server(display_name="gone", hostname="gone", vm_state="deleted", deleted=True,
                           **at(2) | {"updated_at": START + 155.0})}
    made = api("POST", "/servers", {"server": {"name": "new", "flavorRef": "1", "imageRef": IMAGE}})
    found["new"] = made.body["server"]["id"]
    with api.database.write() as conn:
        b = mappings.build_requests
        row = conn.execute(sa.select(b.c.instance)).scalar_one()
        conn.execute(b.update().values(instance=row | at(5)))
    return found


def test_lists(api: Api, named: dict[str, str]) -> None:
    names = {uuid: name for name, uuid in named.items()}
    wrong = []
    for line in csv.DictReader(TABLE.read_text().splitlines(), delimiter="\t"):
        query = re.sub(r"\{(\w+)\}", lambda found: named[found[1]], line["query"])
        query = query.replace("^", "%5E").replace("\\", "%5C")
        for path in ("/servers", "/servers/detail"):
            answer = api("GET", f"{path}?{query}", who=line["who"], version=line["version"])
            got = str(answer.status)
            if answer.status == 200:
                got = " ".join(names[server["id"]] for server in answer.body["servers"]) or "-"
            if got != line["expected"]:
                wrong.append((path, line["version"], line["who"], line["query"], line["expected"], got))
    assert not wrong, "\n".join(map(str, wrong))
