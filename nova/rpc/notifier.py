# SPDX-License-Identifier: Apache-2.0
"""Notifications onto a broker, through the drivers of oslo.messaging. Which ones, and when, is not decided here.

oslo's own Notifier and its messaging drivers log a failure and go on, so nobody could tell whether a message is safe.
For the drivers ``messaging`` and ``messagingv2`` the transport is asked directly: it returns when the broker has
confirmed, and raises otherwise. Others (log, routing, test, or a site's own) are called as they are.
"""

from __future__ import annotations

import datetime
import logging
import zlib
from collections.abc import Mapping
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging.notify import notifier
from stevedore import named

from nova import errors
from nova.rpc.envelope import Sender
from nova.rpc.transport import _driver, _failures, _parse

LOG = logging.getLogger(__name__)
_GROUP = "oslo_messaging_notifications"
_VERSIONS = {"messaging": 1.0, "messagingv2": 2.0}
_SILENT = frozenset({"noop", ""})


def drivers(conf: cfg.ConfigOpts) -> list[str]:
    """The drivers that the operator wants; none of them: nobody listens to notifications."""
    conf.register_opts(notifier._notifier_opts, group=_GROUP)
    return [name for name in conf[_GROUP].driver if name not in _SILENT]


class Publisher:
    """Publishes stored notifications. ``url``: the broker, unless [oslo_messaging_notifications] names one."""

    def __init__(self, conf: cfg.ConfigOpts, url: str, sender: Sender) -> None:
        self._names = drivers(conf)
        self._topics = {False: list(conf[_GROUP].topics), True: list(conf.notifications.versioned_notifications_topics)}
        self._retry = max(0, min(conf[_GROUP].retry, 3)) if conf[_GROUP].retry >= 0 else 1
        self._conf = conf
        address = conf[_GROUP].transport_url or url
        process = f"{sender.service}-notify-{zlib.crc32(address.encode()):08x}"
        self._driver = _driver(conf, _parse(conf, address), sender.host, process)
        self._failures = _failures(hasattr(self._driver, "_get_reply_q"))
        self._others = {versioned: self._load(topics) for versioned, topics in self._topics.items()}

    def _load(self, topics: list[str]) -> Any:
        """The drivers that are not a transport. One that cannot be loaded is an error of the configuration."""
        names = [name for name in self._names if name not in _VERSIONS]
        transport = oslo_messaging.notify.notifier.msg_transport.NotificationTransport(self._driver)

        def refuse(missing: Any) -> None:
            raise errors.ConfigError(f"[{_GROUP}] driver: there is no driver {', '.join(sorted(missing))}; use "
                                     "messagingv2, messaging, log, routing or noop")

        return named.NamedExtensionManager(
            "oslo.messaging.notify.drivers", names, invoke_on_load=True, invoke_args=(self._conf,),
            invoke_kwds={"topics": topics, "transport": transport}, on_missing_entrypoints_callback=refuse)

    def publish(self, row: Mapping[str, Any]) -> None:
        """A row of the outbox, to all topics of its format. Raises Unavailable when the broker did not confirm."""
        moment = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC).replace(tzinfo=None)
        message = {"message_id": row["message_id"], "publisher_id": row["publisher_id"],
                   "event_type": row["event_type"], "priority": row["priority"], "payload": row["payload"],
                   "timestamp": str(moment)}
        priority = row["priority"].lower()
        for name in self._names:
            if name in _VERSIONS:
                self._send(row, message, priority, _VERSIONS[name])
        for extension in self._others[row["versioned"]]:
            extension.obj.notify(dict(row["context"]), message, priority, self._retry)

    def _send(self, row: Mapping[str, Any], message: dict[str, Any], priority: str, version: float) -> None:
        for topic in self._topics[row["versioned"]]:
            try:
                self._driver.send_notification(oslo_messaging.Target(topic=f"{topic}.{priority}"),
                                               dict(row["context"]), message, version, retry=self._retry)
            except self._failures as e:
                raise errors.Unavailable(f"The broker did not take a notification: {e}") from e

    def close(self) -> None:
        self._driver.cleanup()
