# SPDX-License-Identifier: Apache-2.0
"""The fake driver: how big its hosts are, and what shall go wrong on them."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "fake"

OPTS: list[cfg.Opt] = [
    cfg.IntOpt("vcpus", default=64, min=1, help="Processors of a fake host."),
    cfg.IntOpt("memory_mb", default=131072, min=1, help="Memory of a fake host in MiB."),
    cfg.IntOpt("disk_gb", default=2000, min=1, help="Disk of a fake host in GiB."),
    cfg.ListOpt("fail_at", default=[], sample_default="spawn:2",
                help="Driver methods that fail: 'method' always, 'method:N' the first N times, 'host/method:N' on that "
                     "host only."),
    cfg.ListOpt("delay", default=[], sample_default="spawn:0.5",
                help="Driver methods that take longer: 'method:seconds' or 'host/method:seconds'."),
    cfg.ListOpt("without", default=[], sample_default="LiveMigration",
                help="Abilities that hosts lack, as a site with hypervisors of several kinds has them: 'ability' or "
                     "'host/ability', such as Pause, Resize, LiveMigration, Snapshots."),
    cfg.ListOpt("hang_at", default=[], sample_default="destroy",
                help="Driver methods that never return: 'method' or 'host/method'."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
