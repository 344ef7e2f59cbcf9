# SPDX-License-Identifier: Apache-2.0
"""The cloud in one process: SQLite, the bus inside, the fake driver."""

from __future__ import annotations

import json
import socket
from typing import Any

import sqlalchemy as sa

from nova.cmd import provision
from nova.db.api import flavors, quotas
from nova.db.engine import Database
from tests.crash.cluster import HUGE, Cloud, Timing
from tests.crash.processes import Daemon
from tests.crash.user import User

#: What nova-standalone runs with.
PRODUCT = Timing(lease=8.0, report_interval=2.0)


class Standalone(Cloud):
    def __init__(self) -> None:
        super().__init__("standalone", PRODUCT)

    def up(self) -> None:
        state = self.path / "state"
        self.daemons["standalone"] = Daemon(
            "standalone", "nova-standalone", ["up", "--foreground", "--state-dir", str(state), "--virt", "fake",
                                              "--hosts", "2", "--listen", f"127.0.0.1:{self.port}"],
            self.traps, self.path)
        self.daemons["standalone"].start()
        self.daemons["standalone"].wait_ready()
        api = Database(f"sqlite:///{state / 'api.sqlite'}", name="api")
        self.undo.append(api.dispose)
        hosts = {f"{socket.gethostname()}-{n}": state / "hosts" / f"{socket.gethostname()}-{n}" for n in (1, 2)}
        self.look_past(api, hosts)
        passwords = json.loads((state / "passwords.json").read_text())
        self.user = User(self.base, passwords["demo"], self._image(), admin_password=passwords["admin"])
        self.undo.append(self.user.close)
        self.user.log_in()
        api.run(self._make_room)
        self.wait(self.known_hosts, 180, "placement knows the hosts")

    def _image(self) -> str:
        """The public image, without a token: by the database of the store."""
        from nova.db.api import images

        with self.truth.api.read() as conn:
            found: str = conn.execute(sa.select(images.images.c.id)).scalar_one()
        return found

    def _make_room(self, conn: Any) -> None:
        flavors.create(conn, {**provision.FLAVORS[0], "flavorid": HUGE, "name": "huge", "memory_mb": 2**30})
        for resource in ("instances", "cores", "ram"):
            conn.execute(quotas.quotas.insert().values(project_id=self.user.project_id, user_id="", resource=resource,
                                                       hard_limit=-1))
