# SPDX-License-Identifier: Apache-2.0
"""What happens to servers with an availability policy when their host fails."""

from __future__ import annotations

import shlex

from oslo_config import cfg

from nova import errors

GROUP: str | None = "ha"

OPTS: list[cfg.Opt] = [
    cfg.BoolOpt("enabled", default=False,
                help="Evacuate servers with the policy 'evacuate' by themselves when their host was silent for longer "
                     "than service_down_time and is known to be off. Read by nova-conductor with role api."),
    cfg.StrOpt("fencing", default="manual",
               help="How it becomes known that a silent host is off: 'manual' waits for an operator's 'nova-manage "
                    "host fence HOST --confirmed', 'command' runs fence_command; other distributions may add more by "
                    "the entry point nova.fencing."),
    cfg.StrOpt("fence_command",
               help="Program that switches a host off and ends with 0 only when it is off for certain, with its "
                    "arguments; {host} stands for the host's name. It runs without a shell."),
    cfg.FloatOpt("fence_timeout", default=60.0, min=1.0,
                 help="Seconds that fence_command may take; then it is killed and tried again later."),
    cfg.FloatOpt("fence_retry", default=30.0, min=0.1,
                 help="Seconds between two attempts to fence a host."),
    cfg.IntOpt("parallel", default=10, min=1, max=100,
               help="So many servers of a failed host are evacuated at a time."),
    cfg.FloatOpt("fence_after", default=0.0, min=0.0,
                 help="Seconds after which a compute host that does not reach its conductor stops the guests of "
                      "servers with the policy 'evacuate' by itself. Should be less than service_down_time, so that "
                      "they are off before others start them. 0: it never does. Read by nova-compute."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)


def command(conf: cfg.ConfigOpts, host: str) -> list[str]:
    """The words of ``fence_command`` for a host. Raises ConfigError when there is none."""
    words = shlex.split(conf.ha.fence_command or "")
    if not words:
        raise errors.ConfigError("[ha] fencing is 'command' and fence_command is not set; give the program that "
                                 "switches a host off, e.g. /usr/local/sbin/power-off {host}")
    return [word.replace("{host}", host) for word in words]
