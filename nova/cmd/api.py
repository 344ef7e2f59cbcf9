# SPDX-License-Identifier: Apache-2.0
"""nova-api: all HTTP fronts on one port, by path: /compute, /identity, /image, /placement."""

from __future__ import annotations

from typing import Any, NoReturn

from nova.cmd import service

PROG = "nova-api"


def build(conf: Any) -> service.Graph:
    from nova.cmd.wiring.bus import Identity
    from nova.cmd.wiring.fronts import api_service
    from nova.cmd.wiring.plane import control_plane
    from nova.cmd.wiring.presence import Presence
    from nova.db.api.tables import services

    identity = Identity.of(PROG, conf.host)
    plane = control_plane(conf, identity)
    presence = Presence(conf.host, PROG, identity.incarnation, lambda: [(plane.api, services)],
                        interval=conf.report_interval)
    return api_service(plane, presence, listen=conf.wsgi.listen)


def main() -> NoReturn:
    service.main(PROG, build)


if __name__ == "__main__":
    main()
