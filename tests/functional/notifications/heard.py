# SPDX-License-Identifier: Apache-2.0
"""A consumer of notifications as telemetry services are: a listener of oslo.messaging on the topics of a broker."""

from __future__ import annotations

from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging._drivers import impl_rabbit

from nova import concurrency
from nova.rpc.notifier import drivers

GROUP = "oslo_messaging_notifications"
VERSIONED, LEGACY = "versioned_notifications", "notifications"


def switch_on(conf: cfg.ConfigOpts, kind: str = "versioned", **options: Any) -> None:
    """Have a cloud that is not built yet send notifications."""
    drivers(conf)
    conf.set_override("driver", ["messagingv2"], GROUP)
    conf.set_override("notification_format", kind, "notifications")
    for name, value in options.items():
        conf.set_override(name, value, "notifications")


class _Endpoint:
    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def info(self, ctxt: Any, publisher_id: str, event_type: str, payload: Any, metadata: Any) -> None:
        self._heard.add("INFO", ctxt, publisher_id, event_type, payload, metadata)

    def error(self, ctxt: Any, publisher_id: str, event_type: str, payload: Any, metadata: Any) -> None:
        self._heard.add("ERROR", ctxt, publisher_id, event_type, payload, metadata)


class Heard:
    """``messages``: everything that came, as dicts with the fields of the envelope and the context."""

    def __init__(self, conf: cfg.ConfigOpts, url: str, *topics: str) -> None:
        self.messages: list[dict[str, Any]] = []
        if url.startswith("rabbit"):  # a consumer must say what kind of queues the controller has
            conf.register_opts(impl_rabbit.rabbit_opts, group="oslo_messaging_rabbit")
            conf.set_override("rabbit_quorum_queue", True, "oslo_messaging_rabbit")
        oslo_messaging.set_transport_defaults("nova")
        self._transport = oslo_messaging.get_notification_transport(conf, url=url)
        self._listener = oslo_messaging.get_notification_listener(
            self._transport, [oslo_messaging.Target(topic=topic, exchange="nova") for topic in topics],
            [_Endpoint(self)], executor="threading")
        self._listener.start()

    def add(self, priority: str, ctxt: Any, publisher: str, event: str, payload: Any, metadata: Any) -> None:
        self.messages.append({"priority": priority, "context": ctxt, "publisher_id": publisher, "event_type": event,
                              "payload": payload, **metadata})

    def types(self, uuid: str | None = None) -> list[str]:
        return [m["event_type"] for m in list(self.messages) if uuid is None or uuid in (
            m["payload"].get("nova_object.data", {}).get("uuid"), m["payload"].get("instance_id"))]

    def first(self, event: str) -> dict[str, Any]:
        return next(m for m in list(self.messages) if m["event_type"] == event)

    def wait(self, event: str, timeout: float = 120.0, count: int = 1) -> dict[str, Any]:
        end = concurrency.monotonic() + timeout
        while self.types().count(event) < count:
            assert concurrency.monotonic() < end, f"no {event} among {self.types()}"
            concurrency.sleep(0.02)
        return self.first(event)

    def close(self) -> None:
        self._listener.stop()
        self._listener.wait()
        self._transport.cleanup()
