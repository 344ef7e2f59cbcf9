# SPDX-License-Identifier: Apache-2.0
"""The Networking API as one WSGI application, to be mounted at ``/network``."""

from __future__ import annotations

from oslo_config import cfg

from nova.api.network import about, floating_ips, networks, ports, quotas, security_groups, subnets
from nova.api.network.wire import NetworkFaults
from nova.operations.acceptance import Deps
from nova.operations.floating_ips import FloatingIps
from nova.operations.networks import NetworkDefinitions
from nova.operations.ports import Ports
from nova.operations.security_groups import SecurityGroups
from nova.web.front import Authenticator, Front, FrontOptions, PolicyChecker
from nova.web.health import Health
from nova.web.routing import Resource


def resources(conf: cfg.ConfigOpts, deps: Deps) -> list[Resource]:
    definitions = NetworkDefinitions(deps, lease_time=conf.network.dhcp_lease_time)
    return [about.resource(), networks.resource(definitions), subnets.resource(definitions),
            ports.resource(Ports(deps)), floating_ips.resource(FloatingIps(deps)),
            security_groups.resource(SecurityGroups(deps)), quotas.resource(deps.api, deps.quota)]


def make_front(conf: cfg.ConfigOpts, deps: Deps, *, authenticator: Authenticator | None, policy: PolicyChecker | None,
               checks: Health | None = None) -> Front:
    """The front over what the Compute API accepts with."""
    return Front("network", resources(conf, deps), authenticator=authenticator, policy=policy, style=NetworkFaults(),
                 checks=checks, options=FrontOptions(proxy_headers=conf.api.enable_proxy_headers_parsing))
