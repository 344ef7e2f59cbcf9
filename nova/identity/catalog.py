# SPDX-License-Identifier: Apache-2.0
"""The catalogue: what this cloud serves itself, derived from its wiring, and what an operator added by hand.

A service added by hand hides the derived one of the same type. Derived ones have ids that never change and cannot be
changed through the API.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import identity_catalog
from nova.db.engine import Database
from nova.identity.models import Endpoint, Region, Service
from nova.identity.records import Records

INTERFACES = ("public", "internal", "admin")


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A front of this cloud: service type, name, and path below the base URL, like ``/compute/v2.1``."""

    type: str
    name: str
    path: str

    @property
    def id(self) -> str:
        return _stable_id("service", self.type)


def _stable_id(*parts: str) -> str:
    return hashlib.sha256(":".join(parts).encode()).hexdigest()[:32]


class Regions(Records[Region]):
    table, kind, word = identity_catalog.regions, Region, "region"

    def __init__(self, database: Database, changed: Callable[[], None], own: str) -> None:
        super().__init__(database, changed)
        self._own = Region(own, "", None, {})

    def get(self, record_id: str) -> Region:
        found = {r.id: r for r in self.find()}.get(record_id)
        if found is None:
            raise self.unknown(record_id)
        return found

    def find(self, **equals: Any) -> list[Region]:
        rows = super().find(**equals)
        own = all(getattr(self._own, name) == value for name, value in equals.items())
        return rows if not own or any(r.id == self._own.id for r in rows) else [self._own, *rows]

    def create(self, /, **attributes: Any) -> Region:
        if attributes.get("parent_region_id") is not None:
            self.get(attributes["parent_region_id"])
        return self._create({k: v for k, v in attributes.items() if k != "id" or v})

    def update(self, region_id: str, /, **changes: Any) -> Region:
        if changes.get("parent_region_id") is not None:
            self.get(changes["parent_region_id"])
        return self._update(region_id, changes)

    def delete(self, region_id: str) -> None:
        if self.find(parent_region_id=region_id):
            raise errors.Forbidden(f"Unable to delete region {region_id} because it has child regions.")
        self._delete(region_id)


class Services(Records[Service]):
    table, kind, word = identity_catalog.services, Service, "service"

    def __init__(self, database: Database, changed: Callable[[], None], served: Sequence[Served]) -> None:
        super().__init__(database, changed)
        self._served = [Service(s.id, s.type, s.name, "", True, {}) for s in served]

    def get(self, record_id: str) -> Service:
        derived = [s for s in self._served if s.id == record_id]
        return derived[0] if derived else super().get(record_id)

    def find(self, **equals: Any) -> list[Service]:
        derived = [s for s in self._served if all(getattr(s, name) == value for name, value in equals.items())]
        rows = super().find()
        own = {r.type for r in rows}
        return ([s for s in derived if s.type not in own]
                + [r for r in rows if all(getattr(r, name) == value for name, value in equals.items())])

    def create(self, /, **attributes: Any) -> Service:
        return self._create(attributes)

    def update(self, service_id: str, /, **changes: Any) -> Service:
        self._refuse_derived(service_id)
        return self._update(service_id, changes)

    def delete(self, service_id: str) -> None:
        """Delete a service with its endpoints."""
        self._refuse_derived(service_id)
        table = identity_catalog.endpoints

        def also(conn: sa.Connection, _service: Service) -> None:
            conn.execute(sa.delete(table).where(table.c.service_id == service_id))
        self._delete(service_id, also)

    def _refuse_derived(self, service_id: str) -> None:
        if any(s.id == service_id for s in self._served):
            raise errors.Forbidden(f"Service {service_id} is served by this cloud itself and cannot be changed here.")


class Endpoints(Records[Endpoint]):
    """``base_url`` is where this cloud's own fronts are reached, as the asker sees it."""

    table, kind, word = identity_catalog.endpoints, Endpoint, "endpoint"

    def __init__(self, database: Database, changed: Callable[[], None], served: Sequence[Served], region: str) -> None:
        super().__init__(database, changed)
        self._served, self._region = list(served), region

    def derived(self, base_url: str) -> list[Endpoint]:
        return [Endpoint(_stable_id("endpoint", s.type, interface), s.id, interface, base_url.rstrip("/") + s.path,
                         self._region, True, {}) for s in self._served for interface in INTERFACES]

    def all(self, base_url: str) -> list[Endpoint]:
        return self.derived(base_url) + self.find()

    def create(self, /, **attributes: Any) -> Endpoint:
        return self._create(attributes)

    def update(self, endpoint_id: str, /, **changes: Any) -> Endpoint:
        self._refuse_derived(endpoint_id)
        return self._update(endpoint_id, changes)

    def delete(self, endpoint_id: str) -> None:
        self._refuse_derived(endpoint_id)
        self._delete(endpoint_id)

    def _refuse_derived(self, endpoint_id: str) -> None:
        if any(e.id == endpoint_id for e in self.derived("")):
            raise errors.Forbidden(f"Endpoint {endpoint_id} is served by this cloud itself and cannot be changed here.")


class Catalog:
    def __init__(self, database: Database, changed: Callable[[], None], served: Sequence[Served], region: str) -> None:
        self.region = region
        self.regions = Regions(database, changed, region)
        self.services = Services(database, changed, served)
        self.endpoints = Endpoints(database, changed, served, region)

    def for_scope(self, base_url: str, project_id: str | None, user_id: str) -> list[tuple[Service, list[Endpoint]]]:
        """Enabled services with their enabled endpoints; URLs with the project's id are left out when there is none."""
        ids = {"project_id": project_id, "tenant_id": project_id, "user_id": user_id}
        endpoints: dict[str, list[Endpoint]] = {}
        for endpoint in self.endpoints.all(base_url):
            url = fill(endpoint.url, ids) if endpoint.enabled else None
            if url is not None:
                endpoints.setdefault(endpoint.service_id, []).append(dataclasses.replace(endpoint, url=url))
        return [(s, endpoints.get(s.id, [])) for s in self.services.find() if s.enabled]


def fill(url: str, ids: Mapping[str, str | None]) -> str | None:
    """Put ids into the places ``$(project_id)s`` and ``%(project_id)s`` of a URL; None when an id is lacking."""
    for name, value in ids.items():
        for mark in (f"$({name})s", f"%({name})s"):
            if mark in url:
                if value is None:
                    return None
                url = url.replace(mark, value)
    return url
