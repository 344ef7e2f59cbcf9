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
        "threads", default=32, min=1, max=256,
        help="How many requests a process has in hand at the same time, those included that wait for a host."),
    cfg.IntOpt(
        "at_once", min=1, max=256,
        help="On how many of them it works at the same moment; one that takes longer than 50 ms counts no more. Unset: "
             "2 with databases in files, where threads would take the interpreter from each other at each statement, "
             "and 16 with servers of databases, where requests wait for them."),
    cfg.IntOpt(
        "clumsy_share", default=5, min=1, max=100,
        help="Clients whose requests are refused most of the time come after the others: they are answered while "
             "nobody else is, with pauses, so that they take this share of the time at most, in percent."),
    cfg.IntOpt(
        "idle_timeout", default=120, min=1,
        help="Seconds after which a connection without a request is closed."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
