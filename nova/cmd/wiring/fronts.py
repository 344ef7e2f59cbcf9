# SPDX-License-Identifier: Apache-2.0
"""What the API process is made of: the libraries behind the fronts, the fronts, one port."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nova import concurrency
from nova.api.compute import application, server_events
from nova.api.identity import front as identity_front
from nova.api.image import front as image_front
from nova.api.network import front as network_front
from nova.api.placement import app as placement_app
from nova.clients.nudges import Sender
from nova.cmd.wiring.bus import keys_path
from nova.cmd.wiring.control import ControlPlane, operations
from nova.cmd.wiring.presence import Presence
from nova.identity.authenticator import make_authenticator
from nova.identity.catalog import Served
from nova.identity.manager import Identity
from nova.images.manager import Images
from nova.notifications.hub import Hub
from nova.policy import Policy, compute, identity, image, network, placement
from nova.rpc.keyring import SERVICES, Keyring
from nova.store.idempotency import KeyStore
from nova.web.health import Health
from nova.web.idempotency import Idempotency
from nova.web.server import Server
from nova.web.urlmap import URLMap

SERVED = (Served("compute", "nova", "/compute/v2.1"), Served("identity", "keystone", "/identity/v3"),
          Served("image", "glance", "/image"), Served("placement", "placement", "/placement"))
#: In the catalogue only when asked for: clients that find it there leave the network parts of the Compute API.
NETWORK = Served("network", "neutron", "/network")


@dataclasses.dataclass
class Libraries:
    """What the fronts stand on. In a process of its own, or shared with the rest of a standalone cloud."""

    plane: ControlPlane
    identity: Identity
    images: Images
    policy: Policy

    @classmethod
    def of(cls, plane: ControlPlane) -> Libraries:
        rules = [*compute.RULES, *identity.RULES, *image.RULES, *network.RULES, *placement.RULES]
        served = (*SERVED, NETWORK) if plane.conf.api.network_in_catalog else SERVED
        return cls(plane, Identity(plane.api, plane.conf, served), Images.from_conf(plane.conf, plane.api),
                   Policy(plane.conf, rules=rules))


class ApiService:
    """All fronts on one port; starts when the address can be had, reloads policies on SIGHUP."""

    def __init__(self, libraries: Libraries, presence: Presence, listen: str, option: str) -> None:
        self.libraries, self._presence = libraries, presence
        conf = libraries.plane.conf
        self._sender = Sender()
        self._stop = concurrency.Event()
        self._sweeper: concurrency.Task | None = None
        self._hub = server_events.make_hub(libraries.plane.api, libraries.plane.cells, conf)
        at_once = conf.wsgi.at_once or (2 if libraries.plane.api.dialect == "sqlite" else 16)
        self.server = Server(application_of(libraries, self._sender, self._hub), listen, conf.wsgi.threads,
                             at_once=at_once, clumsy_share=conf.wsgi.clumsy_share / 100,
                             max_body=conf.image.image_size_cap, idle_timeout=conf.wsgi.idle_timeout, option=option)

    def start(self) -> None:
        self._sender.start()
        self.server.start()
        self._presence.start()
        conf = self.libraries.plane.conf
        self._sweeper = concurrency.spawn(self.libraries.images.run_sweeper, self._stop, conf.image.sweep_interval,
                                          name="image-sweeper")

    def stop(self) -> None:
        self._stop.set()
        self._hub.stop()
        self.server.stop()
        if self._sweeper is not None:
            self._sweeper.join(5)
        self._presence.stop()
        self._sender.stop()

    def reload(self) -> None:
        self.libraries.policy.reload()


def api_service(plane: ControlPlane, presence: Presence, *, listen: str, option: str = "[wsgi] listen") -> ApiService:
    """nova-api over ``plane``. ``option`` is where its user said ``listen``."""
    return ApiService(Libraries.of(plane), presence, listen, option)


def application_of(libraries: Libraries, sender: Sender, hub: Hub | None = None) -> URLMap:
    """The WSGI application: a front per path prefix, health and metrics at the root."""
    plane = libraries.plane
    conf, proxied = plane.conf, plane.conf.api.enable_proxy_headers_parsing
    health = Health({"database": plane.api.check, "bus": plane.bus.check})
    authenticator: Any = make_authenticator(conf, libraries.identity)
    accepting = operations(plane, sender)
    public = conf.identity.public_endpoint or ""
    deps = application.Deps(
        conf, plane.api, plane.cells, accepting.deps.servers, accepting, accepting.deps.quota, libraries.images,
        libraries.policy, authenticator, health, _project_exists(libraries),
        www_authenticate=f'Keystone uri="{public}/identity"', hub=hub,
        idempotency=Idempotency(KeyStore(plane.api, plane.cells, lambda: Keyring.load(keys_path(conf)).get(SERVICES))))
    compute_api = application.build(deps)
    apps: dict[str, Any] = {
        "/compute": compute_api,
        "/openapi.json": compute_api.again("/compute", "/openapi.json"),
        "/image": image_front.make_front(conf, libraries.images, authenticator=authenticator, policy=libraries.policy,
                                         checks=health),
        "/network": network_front.make_front(conf, accepting.deps, authenticator=authenticator,
                                             policy=libraries.policy, checks=health),
        "/placement": placement_app.make_app(plane.api, authenticator=authenticator, policy=libraries.policy,
                                             checks=health, proxy_headers=proxied),
    }
    if conf.identity.auth_strategy == "identity":
        apps["/identity"] = identity_front.make_front(libraries.identity, libraries.policy, checks=health,
                                                      proxy_headers=proxied)
    return URLMap(apps, health)


def _project_exists(libraries: Libraries) -> Callable[[str], bool] | None:
    """Our own auth manager knows; a Keystone is believed."""
    if libraries.plane.conf.identity.auth_strategy != "identity":
        return None
    return lambda project: bool(libraries.identity.projects.find(id=project))
