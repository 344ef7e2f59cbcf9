# SPDX-License-Identifier: Apache-2.0
"""The one place that touches oslo.messaging: its driver is asked to send, and for listeners. No request is read here.

Drivers are used directly, without oslo's client and server classes: those need the process-wide configuration, stop
slowly, and bring an executor of their own.
"""

from __future__ import annotations

import logging
import zlib
from typing import Any

import oslo_messaging
from oslo_concurrency import lockutils
from oslo_config import cfg
from oslo_messaging import exceptions as oslo_errors

from nova import concurrency, errors
from nova.rpc.bus import EXCHANGE, MEMORY
from nova.rpc.envelope import Sender

LOG = logging.getLogger(__name__)
_RABBIT = "oslo_messaging_rabbit"


class Transport:
    """Sends and listens through a driver; every failure of the broker comes out as Unavailable."""

    def __init__(self, conf: cfg.ConfigOpts, url: str, *, name: str, sender: Sender) -> None:
        self._name = name
        self._options = conf.rpc
        self._driver = _driver(conf, url, name, sender)
        self._ready = concurrency.Event()
        self._closed = False
        if hasattr(self._driver, "_get_reply_q"):
            concurrency.spawn(self._open, name=f"{name}-replies")
        else:
            self._ready.set()

    def _open(self) -> None:
        """Open the queue of replies. oslo would do it within the first call, without a time limit."""
        try:
            self._driver._get_reply_q()
        except Exception:
            if not self._closed:
                LOG.exception("bus %s: the queue of replies could not be opened", self._name)
            return
        self._ready.set()

    def call(self, topic: str, server: str | None, method: str, args: dict[str, Any], timeout: float) -> Any:
        wait = min(timeout, float(self._options.connect_timeout))
        if not self._ready.wait(wait):
            raise errors.Unavailable(f"The message bus {self._name} is not connected")
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server)
        try:
            return self._driver.send(target, {}, {"method": method, "args": args}, wait_for_reply=True,
                                     timeout=timeout, retry=self._options.cast_retries)
        except oslo_errors.MessagingTimeout as e:
            raise errors.Unavailable(f"{topic} did not answer {method} within {timeout:.0f} s") from e
        except (oslo_errors.MessagingException, OSError) as e:
            raise errors.Unavailable(f"The message bus {self._name} does not take messages: {e}") from e

    def cast(self, topic: str, server: str | None, method: str, args: dict[str, Any], *, fanout: bool) -> None:
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server, fanout=fanout)
        try:
            self._driver.send(target, {}, {"method": method, "args": args}, retry=self._options.cast_retries)
        except (oslo_errors.MessagingException, OSError) as e:
            raise errors.Unavailable(f"The message bus {self._name} does not take messages: {e}") from e

    def listen(self, topic: str, server: str) -> Any:
        return self._driver.listen(oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server), 1, None)

    def check(self, timeout: float) -> None:
        """Shake hands with the broker on a connection of its own."""
        if not hasattr(self._driver, "_get_reply_q"):
            return
        import kombu.connection
        from oslo_messaging._drivers import common

        with common.ConnectionContext(self._driver._connection_pool, purpose=common.PURPOSE_SEND, retry=0) as held:
            settings = held.connection.connection
            fresh = kombu.connection.Connection(settings.as_uri(include_password=True), ssl=settings.ssl, connect_timeout=timeout,
                                     login_method=settings.login_method,
                                     transport_options={"read_timeout": timeout, "write_timeout": timeout})
        try:
            fresh.connect()
        finally:
            fresh.release()

    def close(self) -> None:
        self._closed = True
        self._driver.cleanup()


def _driver(conf: cfg.ConfigOpts, url: str, name: str, sender: Sender) -> Any:
    oslo_messaging.set_transport_defaults(EXCHANGE)
    try:
        parsed = oslo_messaging.TransportURL.parse(conf, url)
    except oslo_messaging.InvalidTransportURL as e:
        raise errors.ConfigError(f"transport_url: {e}; expected rabbit://USER:PASSWORD@HOST:PORT/VHOST") from e
    if parsed.transport == MEMORY:
        from nova.rpc.memory import MemoryDriver

        return MemoryDriver(conf, parsed, default_exchange=EXCHANGE)
    if parsed.transport in ("rabbit", "kombu"):
        _rabbit_defaults(conf, parsed, name, sender)
    try:
        return oslo_messaging.get_rpc_transport(conf, parsed)._driver
    except oslo_messaging.DriverLoadFailure as e:
        raise errors.ConfigError(f"transport_url: {e}; expected rabbit://… or {MEMORY}://…") from e


def _rabbit_defaults(conf: cfg.ConfigOpts, url: Any, name: str, sender: Sender) -> None:
    """Replicated queues with names that stay over restarts; what the operator has set wins."""
    from oslo_messaging._drivers import amqp, impl_rabbit

    conf.register_opts(impl_rabbit.rabbit_opts, group=_RABBIT)
    conf.register_opts(amqp.amqp_opts, group=_RABBIT)
    quorum = conf.rpc.quorum_queues
    for option, value in (("rabbit_quorum_queue", quorum), ("rabbit_transient_quorum_queue", quorum),
                          ("use_queue_manager", quorum), ("amqp_durable_queues", False),
                          ("heartbeat_timeout_threshold", conf.rpc.heartbeat)):
        conf.set_default(option, value, group=_RABBIT)
    # The queue manager counts names per (hostname, processname) in /dev/shm: give each bus of each service its own.
    url.query.setdefault("hostname", sender.host)
    url.query.setdefault("processname", f"{sender.service}-{name}-{zlib.crc32(str(url).encode()):08x}")
    if lockutils.get_lock_path(cfg.CONF) is None:
        lockutils.set_defaults(lock_path="/dev/shm")  # noqa: S108 - beside the counter that the lock protects
