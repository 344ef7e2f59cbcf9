# SPDX-License-Identifier: Apache-2.0
"""Options that every process has: who it is, where its state is, how it runs and how it shows that it lives."""

from __future__ import annotations

import socket

from oslo_config import cfg

from nova import errors

GROUP: str | None = None
OPTS: list[cfg.Opt] = [
    cfg.HostAddressOpt(
        "host", default=socket.gethostname(), sample_default="<this machine's host name>",
        help="Name of this host. Services, servers and messages are bound to it, so it must be unique in its cell and "
             "stay the same over restarts. It need not resolve."),
    cfg.StrOpt(
        "state_path", default="/var/lib/nova",
        help="Directory of everything that this host must keep: guests, base images, fences, locks."),
    cfg.StrOpt(
        "concurrency_backend", default="threads", choices=[
            ("threads", "native threads"),
            ("greenlets", "eventlet: many waiting tasks in one thread")],
        help="How a process does several things at a time."),
    cfg.FloatOpt(
        "report_interval", default=2.0, min=0.1, max=60,
        help="Seconds between two signs of life of a service."),
    cfg.FloatOpt(
        "lease", default=8.0, min=0.5, max=600,
        help="Seconds after the last sign of life of a service until others may take over the operations that it had "
             "in hand. Must be at least three times report_interval."),
    cfg.FloatOpt(
        "service_down_time", default=60.0, min=1,
        help="Seconds after the last sign of life of a service until it is shown as down and gets no new servers. "
             "Must not be less than lease."),
    cfg.FloatOpt(
        "graceful_shutdown_timeout", default=60.0, min=0,
        help="Seconds that a stopping process waits for the work it has in hand. What is not done by then is resumed "
             "after the next start, or by another process when the lease is over."),
    cfg.IntOpt(
        "workers", default=16, min=1, max=256, mutable=False,
        help="How many messages a process handles at the same time."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)


def validate(conf: cfg.ConfigOpts) -> None:
    """A lease must outlive some lost signs of life, and the down time a lease."""
    if conf.lease < 3 * conf.report_interval:
        raise errors.ConfigError(f"[DEFAULT] lease is {conf.lease:g} s, which is less than three times report_interval "
                                 f"({conf.report_interval:g} s); raise lease or lower report_interval")
    if conf.service_down_time < conf.lease:
        raise errors.ConfigError(f"[DEFAULT] service_down_time is {conf.service_down_time:g} s, which is less than "
                                 f"lease ({conf.lease:g} s); raise service_down_time")
