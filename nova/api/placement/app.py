# SPDX-License-Identifier: Apache-2.0
"""The Placement API as one WSGI application, to be mounted under a prefix such as ``/placement``."""

from __future__ import annotations

from nova.api.placement import (
    aggregates,
    allocations,
    candidates,
    inventories,
    providers,
    resource_classes,
    root,
    traits,
    usages,
)
from nova.api.placement.versions import MAXIMUM, MINIMUM
from nova.db.engine import Database
from nova.web import faults, health
from nova.web.front import Authenticator, Front, FrontOptions, PolicyChecker
from nova.web.routing import Resource
from nova.web.versions import Microversions


def make_app(database: Database, *, authenticator: Authenticator | None, policy: PolicyChecker | None,
             checks: health.Health | None = None, proxy_headers: bool = False) -> Front:
    """The front over the API database; ``policy`` knows the rules of :mod:`nova.policy.placement`."""
    return Front("placement", resources(database), authenticator=authenticator, policy=policy,
                 versioning=Microversions.between("placement", MINIMUM, MAXIMUM), style=faults.PlacementFaults(),
                 checks=checks, options=FrontOptions(max_body=1 << 20, proxy_headers=proxy_headers))


def resources(database: Database) -> list[Resource]:
    modules = (root, providers, inventories, usages, aggregates, traits, resource_classes, allocations, candidates)
    return [module.resource(database) for module in modules]
