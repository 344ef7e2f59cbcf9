# SPDX-License-Identifier: Apache-2.0
"""nova-conductor: with role api it runs operations over all cells, with role cell it serves the hosts of one cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from nova.cmd import service

PROG = "nova-conductor"
#: Both roles may run on one host, and each has a lease of its own in the cell's database.
ORCHESTRATOR = "nova-orchestrator"


def build(conf: Any) -> service.Graph:
    return orchestrator(conf) if (conf.conductor_role or conf.conductor.role) == "api" else cell_conductor(conf)


def orchestrator(conf: Any) -> service.Graph:
    from nova.cmd.wiring.bus import Identity
    from nova.cmd.wiring.control import orchestrator_service
    from nova.cmd.wiring.imaging import image_source
    from nova.cmd.wiring.plane import control_plane
    from nova.cmd.wiring.presence import Place, Presence
    from nova.db.api.tables import services
    from nova.db.cell.tables import services as cell_services

    identity = Identity.of(PROG, conf.host)
    plane = control_plane(conf, identity)

    def places() -> Sequence[Place]:
        return [(plane.api, services), *((cell.database, cell_services) for cell in plane.cells.all())]

    presence = Presence(conf.host, ORCHESTRATOR, identity.incarnation, places, interval=conf.report_interval)
    return orchestrator_service(plane, conf.host, presence, image_source=image_source(conf, plane.api))


def cell_conductor(conf: Any) -> service.Graph:
    from nova.cmd.wiring.broker import ready_bus
    from nova.cmd.wiring.bus import Identity
    from nova.cmd.wiring.control import cell_conductor_service
    from nova.cmd.wiring.plane import ready_database
    from nova.cmd.wiring.presence import Presence
    from nova.db.cell.tables import services

    identity = Identity.of(PROG, conf.host)
    database = ready_database(conf, "cell")
    presence = Presence(conf.host, PROG, identity.incarnation, lambda: [(database, services)],
                        interval=conf.report_interval)
    return cell_conductor_service(conf, database, ready_bus(conf, "cell", identity), conf.host, presence)


def main() -> NoReturn:
    service.main(PROG, build)


if __name__ == "__main__":
    main()
