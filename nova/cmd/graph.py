# SPDX-License-Identifier: Apache-2.0
"""The whole cloud in one process: every service of ours over in-process buses, or over the broker that is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from nova import concurrency
from nova.cells import Cells
from nova.cmd.wiring import control, fronts, host
from nova.cmd.wiring.bus import Identity, open_bus
from nova.cmd.wiring.imaging import image_source
from nova.cmd.wiring.presence import Place, Presence
from nova.db.api.tables import services as api_services
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database

MEMORY = "nova-memory://"


@dataclasses.dataclass(frozen=True)
class Options:
    """``hosts`` compute services over as many cells as the API database knows; one host with libvirt."""

    state_dir: Path
    listen: str = "127.0.0.1:8774"
    virt: str = "fake"
    hosts: int = 1
    host_name: str = "localhost"
    api_bus: str = f"{MEMORY}api"


@dataclasses.dataclass
class Graph:
    """Everything that runs, in the order in which it starts; it stops the other way round."""

    parts: list[Any]
    api: fronts.ApiService
    plane: control.ControlPlane
    computes: list[host.ComputeService]

    def start(self) -> None:
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        for part in reversed(self.parts):
            part.stop()

    def reload(self) -> None:
        self.api.reload()


def host_names(options: Options) -> list[str]:
    """One host carries the machine's name, several are numbered."""
    if options.hosts == 1:
        return [options.host_name]
    return [f"{options.host_name}-{i + 1}" for i in range(options.hosts)]


def build_standalone(conf: Any, options: Options) -> Graph:
    """``conf`` is loaded and its databases are synced and mapped (see :mod:`nova.cmd.provision`)."""
    me = Identity.of("nova-standalone", conf.host)
    plane = _plane(conf, options, me)
    parts: list[Any] = []
    for cell in plane.cells.with_hosts():
        presence = _presence(conf, "nova-conductor", f"{conf.host}-{cell.name}", [(cell.database, cell_services)])
        parts.append(control.cell_conductor_service(conf, cell.database, cell.bus, f"{conf.host}-{cell.name}",
                                                    presence))
    parts.append(control.scheduler_service(plane, conf.host, _presence(
        conf, "nova-scheduler", conf.host, [(plane.api, api_services)])))
    parts.append(control.orchestrator_service(plane, conf.host, _orchestrator_presence(plane),
                                              image_source=image_source(conf, plane.api)))
    computes: list[host.ComputeService] = []
    cells = plane.cells.with_hosts()
    for index, name in enumerate(host_names(options)):
        bus = _host_bus(conf, cells[index % len(cells)], "nova-compute", name)
        if options.virt != "fake":
            parts.append(host.network_service(conf, _host_bus(conf, cells[index % len(cells)], "nova-network", name),
                                              name))
        computes.append(host.compute_service(conf, bus, name, options.state_dir / "hosts" / name,
                                             driver_name=options.virt))
    api = fronts.api_service(plane, _presence(conf, "nova-api", conf.host, [(plane.api, api_services)]),
                             listen=options.listen, option="--listen")
    return Graph([*parts, *computes, api], api, plane, computes)


def _plane(conf: Any, options: Options, me: Identity) -> control.ControlPlane:
    api = control.open_database(conf.api_database, "api")
    api_bus = open_bus(conf, options.api_bus, "api", me)

    def connect(row: dict[str, Any]) -> tuple[Database, Any]:
        database = control.database_at(row["database_connection"], conf.api_database, row["name"])
        url = row["transport_url"]
        if not url:
            return database, None
        return database, api_bus if url == options.api_bus else open_bus(conf, url, row["name"], me)

    return control.ControlPlane(conf, api, Cells(api, connect), api_bus)


def _host_bus(conf: Any, cell: Any, service: str, name: str) -> Any:
    """A host speaks for itself on the bus, also when it shares the process."""
    return open_bus(conf, cell.bus.url, cell.name, Identity.of(service, name), on_host=True)


def _presence(conf: Any, binary: str, name: str, places: list[Place]) -> Presence:
    return Presence(name, binary, concurrency.uuid4(), lambda: places, interval=conf.report_interval)


def _orchestrator_presence(plane: control.ControlPlane) -> Presence:
    """It may own rows in the API database and in every cell, so it has a lease in each."""
    def places() -> list[Place]:
        return [(plane.api, api_services), *((c.database, cell_services) for c in plane.cells.all())]

    return Presence(plane.conf.host, "nova-orchestrator", concurrency.uuid4(), places,
                    interval=plane.conf.report_interval)
