# SPDX-License-Identifier: Apache-2.0
"""Availability zones: which there are, whether they can be used, and for administrators what is in them."""

from __future__ import annotations

from typing import Any

from nova.api.compute.hosts import COMPUTE, Hosts, Service
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

READ = (("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))
ROUTES = (
    Route("GET", "/os-availability-zone", "index", rule="os_compute_api:os-availability-zone:list", query=READ,
          doc="List availability zones"),
    Route("GET", "/os-availability-zone/detail", "detail", rule="os_compute_api:os-availability-zone:detail",
          query=READ, doc="List availability zones with hosts"),
)


class AvailabilityZones:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def index(self, request: Request) -> dict[str, Any]:
        computes = [service for service in self._known() if service.row["binary"] == COMPUTE]
        return {"availabilityZoneInfo": [_zone(name, services, None) for name, services in _by_zone(computes)]}

    def detail(self, request: Request) -> dict[str, Any]:
        zones = []
        for name, services in _by_zone(self._known()):
            hosts: dict[str, dict[str, Any]] = {}
            for service in services:
                if not service.row["disabled"]:
                    hosts.setdefault(service.row["host"], {})[service.row["binary"]] = {
                        "available": service.up, "active": True,
                        "updated_at": timestamps.micro(service.row["last_seen"])}
            enabled = any(not service.row["disabled"] for service in services)
            zones.append(_zone(name, services, hosts if enabled else None))
        return {"availabilityZoneInfo": zones}

    def _known(self) -> list[Service]:
        return [service for service in self._hosts.services() if service.known]


def _by_zone(services: list[Service]) -> list[tuple[str, list[Service]]]:
    zones: dict[str, list[Service]] = {}
    for service in services:
        zones.setdefault(service.zone, []).append(service)
    return sorted(zones.items())


def _zone(name: str, services: list[Service], hosts: dict[str, Any] | None) -> dict[str, Any]:
    """A zone can be used when a service in it is enabled."""
    available = any(not service.row["disabled"] for service in services)
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": hosts}
