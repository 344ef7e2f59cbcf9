# SPDX-License-Identifier: Apache-2.0
"""What a compute host gives to guests, and which driver runs them."""

from __future__ import annotations

from oslo_config import cfg
from oslo_utils import netutils

GROUP: str | None = None

#: Overcommit of a new host, by kind of resource.
INITIAL = {"cpu": 4.0, "ram": 1.0, "disk": 1.0}

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("compute_driver", default="libvirt",
               help="The hypervisor driver: 'libvirt' runs real guests, 'fake' pretends to; other distributions may "
                    "add drivers by the entry point nova.virt.drivers."),
    cfg.IntOpt("reserved_host_cpus", default=0, min=0,
               help="Processors of a compute host that are kept from guests."),
    cfg.IntOpt("reserved_host_memory_mb", default=512, min=0,
               help="Memory of a compute host, in MiB, that is kept for the host itself."),
    cfg.IntOpt("reserved_host_disk_mb", default=0, min=0,
               help="Disk of a compute host, in MiB, that is kept for the host itself."),
    *[cfg.FloatOpt(f"{kind}_allocation_ratio", min=0.0,
                   help=f"How many times the {what} of this host may be promised to guests. Takes the place of "
                        f"what an operator set through the Placement API; unset: initial_{kind}_allocation_ratio "
                        "is given to a new host and left to the operator from then on.")
      for kind, what in (("cpu", "processors"), ("ram", "memory"), ("disk", "disk"))],
    *[cfg.FloatOpt(f"initial_{kind}_allocation_ratio", default=value, min=0.01,
                   help=f"The {kind} allocation ratio of a host that is seen for the first time.")
      for kind, value in INITIAL.items()],
    cfg.IPOpt("my_ip",
              help="The address of this host that other hosts reach it by. Unset: the one its default route uses."),
    cfg.IntOpt("sync_power_state_interval", default=600, min=1,
               help="Seconds between two comparisons of what the guests of a host do with what their servers' records "
                    "say. What the hypervisor tells by itself is acted on at once."),
    cfg.BoolOpt("sync_power_state_unexpected_call_stop", default=True,
                help="Stop a guest that is found running although its server is stopped, soft-deleted or shelved. "
                     "Off: it is only logged."),
    cfg.IntOpt("reclaim_instance_interval", default=0, min=0,
               help="Seconds for which a deleted server is kept, off and at no charge, so that its owner can have it "
                    "back (restore) or delete it at once (forceDelete). 0: servers are deleted at once. Processes of "
                    "the API level read it: those that accept requests and those that reclaim."),
    cfg.IntOpt("resize_confirm_window", default=0, min=0,
               help="Seconds after which a resized server that its owner has neither confirmed nor reverted is "
                    "confirmed. 0: it waits. nova-conductor at API level reads it."),
    cfg.IntOpt("rescue_timeout", default=0, min=0,
               help="Seconds after which a rescued server that its owner has not taken back boots from its own disk "
                    "again (unrescue). 0: it stays. nova-conductor at API level reads it."),
    cfg.BoolOpt("allow_resize_to_same_host", default=False,
                help="Let the scheduler choose a server's own host when it is resized. A migration always leaves the "
                     "host. Processes of the API level read it."),
    cfg.IntOpt("max_concurrent_live_migrations", default=1, min=0,
               help="So many live migrations leave this host at a time; others wait. 0: any number."),
    cfg.StrOpt("running_deleted_instance_action", default="reap", choices=[
        ("reap", "remove the guest with its disks"), ("shutdown", "switch it off and keep it"),
        ("log", "only say so in the log"), ("noop", "nothing")],
               help="What a compute host does from time to time with guests whose servers are deleted or elsewhere. "
                    "When it starts, and after a build that was overtaken, it removes them in any case."),
    cfg.IntOpt("instance_build_timeout", default=0, min=0,
               help="Seconds after which a server that is still being built is given up and in error. 0: only after "
                    "the deadline of every create, half an hour. Read by nova-conductor with role api."),
    cfg.BoolOpt("resume_guests_state_on_host_boot", default=False,
                help="When nova-compute starts, start the guests of active servers that are off, as after a reboot of "
                     "the host. Off: their servers are shown as stopped."),
    cfg.IntOpt("shutdown_timeout", default=60, min=0,
               help="Seconds that a guest gets to shut down cleanly when its server is stopped; then it is cut off. "
                    "The image property os_shutdown_timeout takes its place for a server."),
]


def ratio(conf: cfg.ConfigOpts, kind: str) -> float:
    """The allocation ratio of this host for 'cpu', 'ram' or 'disk'."""
    value: float | None = getattr(conf, f"{kind}_allocation_ratio")
    return value or float(getattr(conf, f"initial_{kind}_allocation_ratio"))


def host_ip(conf: cfg.ConfigOpts) -> str:
    """``my_ip``, or what the kernel would use to speak to the outside."""
    return str(conf.my_ip or netutils.get_my_ipv4())


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS)
