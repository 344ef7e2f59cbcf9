# SPDX-License-Identifier: Apache-2.0
"""Notifications of what happens in the cloud, and the streams of server events. Drivers, topics and the address of the
broker are options of oslo.messaging, in [oslo_messaging_notifications]."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "notifications"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("notification_format", default="unversioned", choices=[
        ("unversioned", "the dictionaries of old, on the topics of [oslo_messaging_notifications] topics"),
        ("versioned", "versioned objects, on versioned_notifications_topics"),
        ("both", "every event in both formats")],
               help="The format of notifications. They are sent only when [oslo_messaging_notifications] driver names "
                    "a driver other than noop; all processes of the control plane must agree on both."),
    cfg.ListOpt("versioned_notifications_topics", default=["versioned_notifications"],
                help="Topics of versioned notifications. Each message goes to every topic, followed by a dot and the "
                     "priority: versioned_notifications.info."),
    cfg.StrOpt("notify_on_state_change", choices=[
        ("vm_state", "when the vm state or the record of a server changes"),
        ("vm_and_task_state", "also when only the task state changes")],
               help="Send instance.update when a server changes. Unset: only when its tags change."),
    cfg.BoolOpt("bdms_in_notifications", default=False,
                help="Put the volumes of a server into the payloads of instance events."),
    cfg.FloatOpt("relay_interval", default=10.0, min=0.1,
                 help="Seconds after which stored notifications are looked for without having been told of them. "
                      "Whoever stores one tells the relay, so this only matters after a crash or a lost message."),
    cfg.IntOpt("stream_retention", default=600, min=10,
               help="Seconds that events of servers are kept for the clients of GET /servers/events to resume from. "
                    "Events are recorded while a stream is open and for this long after the last one."),
    cfg.IntOpt("stream_limit", default=2000, min=1,
               help="How many streams of server events one API process holds open; then it answers 503."),
    cfg.IntOpt("stream_backlog", default=262144, min=4096,
               help="Bytes that may wait for one slow client of a stream before it is dropped. It can resume."),
    cfg.FloatOpt("stream_keepalive", default=15.0, min=0.1,
                 help="Seconds after which a silent stream carries a comment, so that proxies keep it open."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
