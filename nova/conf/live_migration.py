# SPDX-License-Identifier: Apache-2.0
"""Live migration of libvirt guests: by which way, how fast, and what is done about guests that write too much."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "libvirt"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("live_migration_scheme", default="tcp", choices=["tcp", "tls", "ssh"],
               help="How the libvirt daemon of a source speaks to that of this host."),
    cfg.StrOpt("live_migration_uri", sample_default="qemu+tcp://%s/system",
               help="Where the libvirt daemon of a source finds that of this host; %s is "
                    "live_migration_inbound_addr. Unset: made from live_migration_scheme."),
    cfg.StrOpt("live_migration_inbound_addr", sample_default="$my_ip",
               help="The address of this host that memory and disks of arriving guests are sent to."),
    cfg.BoolOpt("live_migration_tunnelled", default=False,
                help="Send guests through the connection of the libvirt daemons. Slower, and disks cannot be copied."),
    cfg.BoolOpt("live_migration_with_native_tls", default=False,
                help="Encrypt what QEMU sends to QEMU. Both hosts need its certificates."),
    cfg.IntOpt("live_migration_parallel_connections", default=1, min=1,
               help="Connections that a guest's memory is sent over at once."),
    cfg.IntOpt("live_migration_bandwidth", default=0, min=0,
               help="At most so many MiB a second for each guest; 0: all there is."),
    cfg.IntOpt("live_migration_downtime", default=500, min=100,
               help="Milliseconds that a guest may stand still at most when it changes hosts. It begins with less."),
    cfg.IntOpt("live_migration_downtime_steps", default=10, min=3,
               help="In so many steps the time that a guest may stand still is raised."),
    cfg.IntOpt("live_migration_downtime_delay", default=75, min=3,
               help="Seconds between two such steps, for each GiB of the guest's memory and copied disks."),
    cfg.IntOpt("live_migration_completion_timeout", default=800, min=0,
               help="Seconds after which a migration is given up or forced, for each GiB of the guest's memory and "
                    "copied disks, at least two. 0: never."),
    cfg.StrOpt("live_migration_timeout_action", default="abort", choices=[
                   ("abort", "the guest goes on where it is"),
                   ("force_complete", "it is halted, or goes over to post-copy where that is permitted, so that it "
                                      "comes to an end")],
               help="What is done with a migration that takes too long."),
    cfg.BoolOpt("live_migration_permit_auto_converge", default=False,
                help="Slow down guests that write memory faster than it is sent."),
    cfg.BoolOpt("live_migration_permit_post_copy", default=False,
                help="Let guests run at their destination before all of their memory is there, when they are forced to "
                     "their end. Should the connection break then, the guest is lost."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
