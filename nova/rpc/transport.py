# SPDX-License-Identifier: Apache-2.0
"""The one place that touches oslo.messaging: its driver is asked to send, and for listeners. No request is read here.

Drivers are used directly, without oslo's client and server classes: those need the process-wide configuration, stop
slowly, and bring an executor of their own.
"""

from __future__ import annotations

import importlib
import logging
import ssl
import urllib.parse
import zlib
from typing import Any

import oslo_messaging
from oslo_concurrency import lockutils
from oslo_config import cfg
from oslo_messaging import exceptions as oslo_errors

from nova import concurrency, errors
from nova.rpc.envelope import Sender
from nova.rpc.messages import Unanswered
from nova.rpc.names import EXCHANGE, MEMORY

LOG = logging.getLogger(__name__)
_RABBIT = "oslo_messaging_rabbit"
#: Seconds for the first word of a broker, and for the last.
_HANDSHAKE = 5.0
_CLOSE = 10.0
#: After each message oslo's threads look after 1, 2, 4 … ms whether there is something to acknowledge, which cost more
#: than the message did. RPC messages are acknowledged as they arrive, so there never is.
_QUIET = 1.0
#: A call for which there is no queue comes back at once; without, it would wait for its timeout.
_MANDATORY = oslo_messaging.TransportOptions(at_least_once=True)


class Transport:
    """Sends and listens through a driver; every failure of the broker comes out as Unavailable."""

    def __init__(self, conf: cfg.ConfigOpts, url: str, *, name: str, sender: Sender) -> None:
        self._name = name
        self._options = conf.rpc
        self._url = _parse(conf, url)
        process = f"{sender.service}-{name}-{zlib.crc32(url.encode()):08x}"
        self._driver = _driver(conf, self._url, sender.host, process)
        self._remote = hasattr(self._driver, "_get_reply_q")
        self._failures = _failures(self._remote)
        self._ready = concurrency.Event()
        self._closing = concurrency.Event()
        self._opening = concurrency.Lock()
        if self._remote:
            concurrency.spawn(self._open, name=f"{name}-replies")
        else:
            self._ready.set()

    def _open(self) -> None:
        """Open the queue of replies as soon as the broker is there.

        oslo would do it within the first call, without a time limit, and could not be stopped while it tries.
        """
        delay = 0.5
        while not self._closing.is_set():
            try:
                self.check(_HANDSHAKE)
                with self._opening:
                    if self._closing.is_set():
                        return  # nobody would close what is opened now
                    self._driver._get_reply_q()
            except self._failures as e:
                LOG.warning("bus %s: the broker cannot be reached, trying again: %s", self._name, e)
                self._closing.wait(delay)
                delay = min(delay * 2, 4.0)
            else:
                self._ready.set()
                return

    def call(self, topic: str, server: str | None, method: str, args: dict[str, Any], timeout: float) -> Any:
        wait = min(timeout, float(self._options.connect_timeout))
        if not self._ready.wait(wait):
            raise errors.Unavailable(f"The message bus {self._name} is not connected")
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server)
        concurrency.checkpoint(f"send:{topic}.{method}")
        try:
            return self._driver.send(target, {}, {"method": method, "args": args}, wait_for_reply=True,
                                     timeout=timeout, retry=self._options.cast_retries, transport_options=_MANDATORY)
        except oslo_errors.MessageUndeliverable as e:
            raise errors.Unavailable(f"Nobody has ever served {topic}{f' on {server}' if server else ''}") from e
        except oslo_errors.MessagingTimeout as e:
            raise Unanswered(f"{topic} did not answer {method} within {timeout:.3g} s") from e
        except self._failures as e:
            raise errors.Unavailable(f"The message bus {self._name} does not take messages: {e}") from e

    def cast(self, topic: str, server: str | None, method: str, args: dict[str, Any], *, fanout: bool) -> None:
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server, fanout=fanout)
        concurrency.checkpoint(f"send:{topic}.{method}")
        try:
            self._driver.send(target, {}, {"method": method, "args": args}, retry=self._options.cast_retries)
        except self._failures as e:
            raise errors.Unavailable(f"The message bus {self._name} does not take messages: {e}") from e

    def listen(self, topic: str, server: str) -> Any:
        return self._driver.listen(oslo_messaging.Target(exchange=EXCHANGE, topic=topic, server=server), 1, None)

    def check(self, timeout: float) -> None:
        """Shake hands with the broker on a connection of its own: the pool may not know yet that it is gone."""
        if not self._remote:
            return
        make: Any = importlib.import_module("kombu.connection").Connection
        with make(";".join(_amqp(self._url)), ssl=_tls(self._driver.conf[_RABBIT], self._url), connect_timeout=timeout,
                  login_method=self._driver.conf[_RABBIT].rabbit_login_method,
                  transport_options={"read_timeout": timeout, "write_timeout": timeout}) as connection:
            connection.ensure_connection(max_retries=len(self._url.hosts), interval_start=0, interval_step=0,
                                         timeout=timeout)

    def close(self) -> None:
        """Let go of all connections. A broker that hangs does not keep the process from ending."""
        self._closing.set()
        if not self._remote:
            self._driver.cleanup()
        elif not concurrency.spawn(self._cleanup, name=f"{self._name}-close").join(_CLOSE):
            LOG.warning("bus %s: the broker does not let go of its connections; leaving them", self._name)

    def _cleanup(self) -> None:
        with self._opening:
            self._driver.cleanup()


def _failures(remote: bool) -> tuple[type[Exception], ...]:
    """What may come out of a driver when the broker is in trouble; oslo.messaging translates only some of it."""
    if not remote:
        return (oslo_errors.MessagingException,)
    kombu, amqp = (importlib.import_module(f"{n}.exceptions") for n in ("kombu", "amqp"))
    return oslo_errors.MessagingException, OSError, kombu.KombuError, amqp.AMQPError


def _parse(conf: cfg.ConfigOpts, url: str) -> Any:
    oslo_messaging.set_transport_defaults(EXCHANGE)
    expected = f"expected rabbit://USER:PASSWORD@HOST:PORT/VHOST or {MEMORY}://NAME"
    try:
        parsed = oslo_messaging.TransportURL.parse(conf, url)
    except (oslo_messaging.InvalidTransportURL, ValueError) as e:
        raise errors.ConfigError(f"transport_url: {e}; {expected}") from e
    if not parsed.hosts or not all(h.hostname and (h.port or 1) in range(65536) for h in parsed.hosts):
        raise errors.ConfigError(f"transport_url: it names no host or no possible port; {expected}")
    return parsed


def _driver(conf: cfg.ConfigOpts, url: Any, host: str, process: str) -> Any:
    if url.transport == MEMORY:
        from nova.rpc.memory import MemoryDriver

        return MemoryDriver(conf, url, default_exchange=EXCHANGE)
    if url.transport in ("rabbit", "kombu"):
        _rabbit_defaults(conf, url, host, process)
    try:
        driver = oslo_messaging.get_rpc_transport(conf, url)._driver
    except oslo_messaging.DriverLoadFailure as e:
        raise errors.ConfigError(f"transport_url: {e}; expected rabbit://… or {MEMORY}://…") from e
    if hasattr(driver, "_connection_pool"):
        importlib.import_module("nova.rpc.returned").tell(driver)
    return driver


def _rabbit_defaults(conf: cfg.ConfigOpts, url: Any, host: str, process: str) -> None:
    """Replicated queues with names that stay over restarts, and a quick return; what the operator has set wins."""
    from oslo_messaging._drivers import amqp, amqpdriver, impl_rabbit

    amqpdriver.ACK_REQUEUE_EVERY_SECONDS_MIN = _QUIET
    conf.register_opts(impl_rabbit.rabbit_opts, group=_RABBIT)
    conf.register_opts(amqp.amqp_opts, group=_RABBIT)
    quorum = conf.rpc.quorum_queues
    for option, value in (("rabbit_quorum_queue", quorum), ("rabbit_transient_quorum_queue", quorum),
                          ("use_queue_manager", quorum), ("amqp_durable_queues", False),
                          ("heartbeat_timeout_threshold", conf.rpc.heartbeat),
                          ("rabbit_retry_backoff", 1), ("rabbit_interval_max", 4),
                          ("kombu_missing_consumer_retry_timeout", 15)):
        conf.set_default(option, value, group=_RABBIT)
    # The queue manager counts names per (hostname, processname) in /dev/shm: give each bus of each service its own.
    url.query.setdefault("hostname", host)
    url.query.setdefault("processname", process)
    if lockutils.get_lock_path(cfg.CONF) is None:
        cfg.CONF.set_default("lock_path", "/dev/shm", group="oslo_concurrency")  # noqa: S108 - beside that counter


def _amqp(url: Any) -> list[str]:
    """The addresses of the brokers as kombu reads them."""
    quote = urllib.parse.quote
    return [f"amqp://{quote(h.username or '', '')}:{quote(h.password or '', '')}@{h.hostname}:{h.port or 5672}"
            f"/{quote(url.virtual_host or '', '')}" for h in url.hosts]


def _tls(options: Any, url: Any) -> dict[str, Any] | bool:
    """TLS as the operator wants it, by the rules that oslo.messaging follows."""
    if not options.ssl:
        return False
    files = {"keyfile": options.ssl_key_file, "certfile": options.ssl_cert_file, "ca_certs": options.ssl_ca_file}
    wanted: dict[str, Any] = {k: v for k, v in files.items() if v}
    if options.ssl_ca_file:
        wanted |= {"cert_reqs": ssl.CERT_REQUIRED,
                   "server_hostname": url.hosts[0].hostname if len(url.hosts) == 1 else None}
    return wanted or True
