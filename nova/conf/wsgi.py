# SPDX-License-Identifier: Apache-2.0
"""Where and how an HTTP front listens."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "wsgi"
OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "listen", default="0.0.0.0:8774",
        help="HOST:PORT on which the fronts answer; [::]:PORT for IPv6. The paths /compute, /identity, /image, "
             "/network and /placement lead to the fronts of the same name."),
    cfg.IntOpt(
        "threads", default=16, min=1, max=256,
        help="How many requests a process answers at the same time."),
    cfg.IntOpt(
        "idle_timeout", default=120, min=1,
        help="Seconds after which a connection without a request is closed."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
