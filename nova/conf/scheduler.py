# SPDX-License-Identifier: Apache-2.0
"""Options of the scheduler daemon; what filters and weighers do is in [filter_scheduler]."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "scheduler"

OPTS: list[cfg.Opt] = [
    cfg.IntOpt("max_attempts", default=3, min=1,
               help="Hosts that a build may be tried on: the chosen one and its alternates, all of one cell. 1 means "
                    "no second try."),
    cfg.FloatOpt("host_state_max_age", default=1.0, min=0.0, max=60.0,
                 help="Seconds for which the host states in memory are used before what changed is read again. The "
                      "scheduler's own decisions are counted at once. Before a request is refused for lack of hosts "
                      "the states are read in any case."),
    cfg.FloatOpt("host_state_full_interval", default=300.0, min=1.0,
                 help="Seconds between two complete readings of all host states, which also notice hosts that are "
                      "gone."),
    cfg.FloatOpt("host_state_overlap", default=15.0, min=1.0,
                 help="Seconds that a reading of changes looks back before the former one, because a transaction "
                      "becomes visible later than it was stamped. Must exceed the longest claim transaction."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
