# SPDX-License-Identifier: Apache-2.0
"""The Compute API as one WSGI application: ``/`` lists the versions, ``/v2.1`` and ``/v2`` serve them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from nova.api.compute import (
    absent_services,
    aggregates,
    availability_zones,
    extensions,
    external_events,
    flavor_access,
    flavor_extra_specs,
    flavors,
    floating_ips,
    host_drains,
    hypervisors,
    images,
    instance_actions,
    keypairs,
    limits,
    migrations,
    networks,
    old_hosts,
    openapi,
    placement_explain,
    quota_class_sets,
    quota_sets,
    remote_consoles,
    removed,
    security_groups,
    server_actions,
    server_copies,
    server_create,
    server_events,
    server_groups,
    server_interfaces,
    server_ips,
    server_metadata,
    server_networks,
    server_reads,
    server_rebuilds,
    server_requests,
    server_rescues,
    server_tags,
    servers,
    services,
    tenant_usage,
    usage_audit,
    versions,
    volume_attachments,
    volumes_boot,
)
from nova.api.compute.hosts import Hosts
from nova.api.compute.projects import Projects
from nova.cells import Cells
from nova.db.engine import Database
from nova.images.manager import Images
from nova.networks.manager import Networks
from nova.notifications.hub import Hub
from nova.operations import Operations
from nova.operations.floating_ips import FloatingIps
from nova.operations.ports import Ports
from nova.operations.security_groups import SecurityGroups
from nova.policy import Policy
from nova.quota import Quota
from nova.store.moves import Moves
from nova.store.servers import Servers as ServerStore
from nova.web.front import Authenticator, Front, FrontOptions
from nova.web.health import Health
from nova.web.idempotency import Idempotency
from nova.web.routing import Resource, Route
from nova.web.urlmap import URLMap

_MEDIA = frozenset({"application/json", "application/vnd.openstack.compute+json"})


@dataclasses.dataclass(frozen=True)
class Deps:
    """What the Compute API works with. ``project_exists`` asks the identity service, where it can be asked;
    ``www_authenticate`` tells clients without a token where to get one; ``idempotency`` answers repeated POSTs."""

    conf: cfg.ConfigOpts
    api: Database
    cells: Cells
    servers: ServerStore
    operations: Operations
    quota: Quota
    images: Images
    policy: Policy
    authenticator: Authenticator
    health: Health | None = None
    project_exists: Callable[[str], bool] | None = None
    www_authenticate: str = 'Keystone uri=""'
    hub: Hub | None = None
    idempotency: Idempotency | None = None


def resources(deps: Deps) -> list[Resource]:
    """Every resource of the API with its controller."""
    limit = deps.conf.api.max_limit
    hosts = Hosts(deps.api, deps.cells, deps.conf, deps.operations.deps.nudge_schedulers)
    projects = Projects(deps.project_exists)
    return [
        Resource(flavors.ROUTES, flavors.Flavors(deps.api, limit)),
        Resource(flavor_extra_specs.ROUTES, flavor_extra_specs.FlavorExtraSpecs(deps.api)),
        Resource(flavor_access.ROUTES, flavor_access.FlavorAccess(deps.api, projects)),
        Resource(keypairs.ROUTES, keypairs.KeyPairs(deps.api, deps.quota, limit)),
        *_servers(deps, hosts),
        Resource(server_metadata.ROUTES, server_metadata.ServerMetadata(deps.operations, deps.servers)),
        Resource(server_ips.ROUTES, server_ips.ServerIps(deps.servers)),
        Resource(instance_actions.ROUTES, instance_actions.InstanceActions(deps.servers, limit)),
        Resource(server_groups.ROUTES, server_groups.ServerGroups(deps.api, deps.quota, limit)),
        Resource(aggregates.ROUTES, aggregates.Aggregates(deps.api, hosts)),
        Resource(availability_zones.ROUTES, availability_zones.AvailabilityZones(hosts)),
        Resource(limits.ROUTES, limits.Limits(deps.api, deps.quota)),
        Resource(quota_sets.ROUTES, quota_sets.QuotaSets(deps.api, deps.quota, projects)),
        Resource(quota_class_sets.ROUTES, quota_class_sets.QuotaClassSets(deps.api, deps.quota)),
        Resource(services.ROUTES, services.Services(deps.api, hosts)),
        Resource(hypervisors.ROUTES, hypervisors.Hypervisors(deps.cells, hosts, limit)),
        Resource(extensions.ROUTES, extensions.Extensions()),
        Resource(removed.ROUTES, removed.Removed()),
        *_parts_of_servers(deps, limit),
        *_reports(deps, hosts, limit),
        *_proxies(deps, limit),
        *_networks(deps, limit),
    ]


def _servers(deps: Deps, hosts: Hosts) -> list[Resource]:
    """Servers and their actions, under both names."""
    reader = server_create.CreateReader(deps.api, deps.images, hosts, deps.quota, deps.conf)
    controllers: list[tuple[tuple[Route, ...], Any]] = [
        (servers.ROUTES, servers.Servers(deps.api, deps.servers, deps.operations, reader, hosts, deps.conf)),
        (server_actions.ROUTES, server_actions.ServerActions(deps.operations, deps.servers)),
        (server_copies.ROUTES, server_copies.ServerCopies(deps.api, deps.operations, hosts, deps.quota,
                                                          deps.conf.image.public_endpoint)),
        (server_rebuilds.ROUTES, server_rebuilds.ServerRebuilds(
            deps.api, deps.servers, deps.operations, deps.images, hosts, deps.quota, deps.conf)),
        (server_rescues.ROUTES, server_rescues.ServerRescues(deps.operations, deps.images, deps.conf)),
        (server_requests.ROUTES, server_requests.ServerRequests(deps.api, deps.operations, deps.images, hosts)),
    ]
    explain = placement_explain.PlacementExplain(deps.operations, reader)
    return [Resource(placement_explain.ROUTES, explain), *(
        Resource(named, controller) for routes, controller in controllers
        for named in (routes, volumes_boot.aliases(routes)))]


def _parts_of_servers(deps: Deps, limit: int) -> list[Resource]:
    """What hangs on a server."""
    operations, store = deps.operations, deps.servers
    return [
        Resource(server_tags.ROUTES, server_tags.ServerTags(operations, store)),
        Resource(server_interfaces.ROUTES, server_interfaces.ServerInterfaces(
            operations, store, patience=deps.conf.api.attach_timeout)),
        Resource(volume_attachments.ROUTES, volume_attachments.VolumeAttachments(operations, store, limit)),
        Resource(server_reads.ROUTES, server_reads.ServerReads(operations, store)),
        Resource(server_events.ROUTES, server_events.ServerEvents(
            deps.hub or server_events.make_hub(deps.api, deps.cells, deps.conf), deps.authenticator)),
        Resource(remote_consoles.ROUTES, remote_consoles.RemoteConsoles(operations)),
        Resource(migrations.SERVER_ROUTES, migrations.ServerMigrations(operations, Moves(deps.cells), store)),
    ]


def _reports(deps: Deps, hosts: Hosts, limit: int) -> list[Resource]:
    """What is told of the whole cloud, and what other services tell it."""
    return [
        Resource(migrations.ROUTES, migrations.Migrations(Moves(deps.cells), limit)),
        Resource(tenant_usage.ROUTES, tenant_usage.TenantUsage(deps.cells, limit)),
        Resource(external_events.ROUTES, external_events.ExternalEvents(deps.operations, deps.servers)),
        Resource(remote_consoles.TOKEN_ROUTES, remote_consoles.ConsoleAuthTokens()),
        Resource(old_hosts.ROUTES, old_hosts.OldHosts(hosts)),
        Resource(host_drains.ROUTES, host_drains.HostDrains(deps.api)),
        Resource(usage_audit.ROUTES, usage_audit.UsageAudit(hosts)),
    ]


def _proxies(deps: Deps, limit: int) -> list[Resource]:
    """Other services through this API, for clients of old, and what hangs on services that are not there."""
    return [
        Resource(images.ROUTES, images.ImageProxy(deps.images, deps.conf.image.public_endpoint, limit)),
        Resource(absent_services.ROUTES, absent_services.AbsentServices(deps.operations, deps.servers)),
    ]


def _networks(deps: Deps, limit: int) -> list[Resource]:
    """Networks, addresses and security groups: of servers, and for clients of old."""
    accepting = deps.operations.deps
    groups, floating, ports = SecurityGroups(accepting), FloatingIps(accepting), Ports(accepting)
    proxy = security_groups.SecurityGroupProxy(groups, limit)
    return [
        Resource(networks.ROUTES, networks.NetworkProxy(Networks(deps.api))),
        Resource(floating_ips.ROUTES, floating_ips.FloatingIpProxy(floating)),
        Resource(security_groups.SERVER_ROUTES, proxy),
        Resource(security_groups.ROUTES, proxy),
        Resource(server_networks.ROUTES, server_networks.ServerNetworks(groups, floating, ports)),
    ]


def build(deps: Deps) -> URLMap:
    """The application; mount it at ``/compute`` or serve it alone."""
    served = resources(deps)
    health = deps.health or Health()
    options = FrontOptions(
        max_body=deps.conf.api.max_request_body_size, strict_methods=False, project_in_url=True, strict_slash=True,
        id_header="x-compute-request-id", www_authenticate=deps.www_authenticate, media_types=_MEDIA,
        proxy_headers=deps.conf.api.enable_proxy_headers_parsing)

    def front(id: str, *, legacy: bool) -> Front:
        return Front("compute", [Resource(versions.ROUTES, versions.Versions(id)), *served],
                     authenticator=deps.authenticator, policy=deps.policy, checks=health,
                     versioning=versions.LEGACY if legacy else versions.MICROVERSIONS,
                     options=dataclasses.replace(options, lenient=legacy), idempotency=deps.idempotency)

    root = Front("compute", [Resource(versions.ROOT_ROUTES, versions.RootVersions())], authenticator=None, policy=None,
                 checks=health, options=dataclasses.replace(options, project_in_url=False))
    described = [*versions.ROUTES, *(route for resource in served for route in resource.routes)]
    description = Front("compute", [Resource(openapi.ROUTES, openapi.OpenApi(described))],
                        authenticator=deps.authenticator, policy=deps.policy, checks=health, options=options)
    return URLMap({"/v2.1": front("v2.1", legacy=False), "/v2": front("v2.0", legacy=True),
                   "/openapi.json": description, "": root}, health)
