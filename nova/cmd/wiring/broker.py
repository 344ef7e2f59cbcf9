# SPDX-License-Identifier: Apache-2.0
"""The broker of a process, which must answer before it starts. No database here: hosts use this too."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.cmd.wiring.bus import Identity, open_bus
from nova.rpc.names import EXCHANGE


def transport_url(conf: Any) -> str:
    """The broker of this process, as oslo.messaging's option of that name says."""
    import oslo_messaging  # heavy, and not all commands that name this need it

    oslo_messaging.set_transport_defaults(EXCHANGE)
    try:
        return str(oslo_messaging.TransportURL.parse(conf))
    except oslo_messaging.InvalidTransportURL as e:
        raise errors.ConfigError(f"transport_url: {e}; write rabbit://USER:PASSWORD@HOST:PORT/VHOST") from e


def ready_bus(conf: Any, name: str, identity: Identity, *, on_host: bool = False, timeout: float = 10.0) -> Any:
    """The bus that ``transport_url`` names; its broker must answer."""
    url = transport_url(conf)
    bus = open_bus(conf, url, name, identity, on_host=on_host)
    try:
        bus.check(timeout)
    except errors.Unavailable as e:
        bus.close()
        raise errors.ConfigError(f"transport_url: the broker at {url.rpartition('@')[2]} does not answer "
                                 f"({e.message}); start it or correct the URL") from e
    return bus


def host_bus(conf: Any, service: str) -> Any:
    """The cell's bus for a service of this host."""
    return ready_bus(conf, "cell", Identity.of(service, conf.host), on_host=True)
