# SPDX-License-Identifier: Apache-2.0
"""nova-scheduler: decides where a server goes."""

from __future__ import annotations

from typing import Any, NoReturn

from nova.cmd import service

PROG = "nova-scheduler"


def build(conf: Any) -> service.Graph:
    from nova.cmd.wiring.bus import Identity
    from nova.cmd.wiring.control import scheduler_service
    from nova.cmd.wiring.plane import control_plane
    from nova.cmd.wiring.presence import Presence
    from nova.db.api.tables import services

    identity = Identity.of(PROG, conf.host)
    plane = control_plane(conf, identity)
    presence = Presence(conf.host, PROG, identity.incarnation, lambda: [(plane.api, services)],
                        interval=conf.report_interval)
    return scheduler_service(plane, conf.host, presence)


def main() -> NoReturn:
    service.main(PROG, build)


if __name__ == "__main__":
    main()
