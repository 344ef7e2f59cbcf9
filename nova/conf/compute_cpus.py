# SPDX-License-Identifier: Apache-2.0
"""Which processors of a compute host guests get for themselves, and which they share."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "compute"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("cpu_dedicated_set", sample_default="4-12,^8",
               help="The processors of this host that guests with hw:cpu_policy = dedicated or mixed get for "
                    "themselves; offered as the resource class PCPU. Unset: no such guest runs here."),
    cfg.StrOpt("cpu_shared_set", sample_default="0-3",
               help="The processors that all other guests share, and emulator threads with "
                    "hw:emulator_threads_policy = share; offered as VCPU. Unset: all, or none where "
                    "cpu_dedicated_set is set."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
