# SPDX-License-Identifier: Apache-2.0
"""The Identity API v3 as one WSGI application, to be mounted under a prefix such as ``/identity``."""

from __future__ import annotations

from nova.api.identity import (
    application_credentials,
    catalog,
    domains,
    grants,
    groups,
    projects,
    role_assignments,
    roles,
    tokens,
    users,
    versions,
)
from nova.identity.authenticator import TokenAuthenticator
from nova.identity.manager import Identity
from nova.web import faults, health
from nova.web.front import Front, FrontOptions, PolicyChecker
from nova.web.routing import Resource


def make_front(identity: Identity, policy: PolicyChecker, *, checks: health.Health | None = None,
               proxy_headers: bool = False) -> Front:
    """``policy`` knows the rules of :mod:`nova.policy.identity`."""
    public = identity.options.public_endpoint or ""
    options = FrontOptions(www_authenticate=f'Keystone uri="{public}/identity"', proxy_headers=proxy_headers)
    return Front("identity", resources(identity), authenticator=TokenAuthenticator(identity, "identity"),
                 policy=policy, style=faults.IdentityFaults(), checks=checks, options=options)


def resources(identity: Identity) -> list[Resource]:
    return [
        Resource(versions.ROUTES, versions.VersionController()),
        Resource(tokens.ROUTES, tokens.TokenController(identity)),
        Resource(users.ROUTES, users.UserController(identity)),
        Resource(application_credentials.ROUTES, application_credentials.ApplicationCredentialController(identity)),
        Resource(projects.ROUTES, projects.ProjectController(identity)),
        Resource(domains.ROUTES, domains.DomainController(identity)),
        Resource(groups.ROUTES, groups.GroupController(identity)),
        Resource(roles.ROUTES, roles.RoleController(identity)),
        Resource(grants.ROUTES, grants.GrantController(identity)),
        Resource(role_assignments.ROUTES, role_assignments.RoleAssignmentController(identity)),
        Resource(catalog.SERVICE_ROUTES, catalog.ServiceController(identity)),
        Resource(catalog.ENDPOINT_ROUTES, catalog.EndpointController(identity)),
        Resource(catalog.REGION_ROUTES, catalog.RegionController(identity)),
    ]
