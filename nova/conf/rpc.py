# SPDX-License-Identifier: Apache-2.0
"""The message bus. Options of the broker connection itself are those of oslo.messaging."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "rpc"

OPTS: list[cfg.Opt] = [
    cfg.IntOpt("call_timeout", default=60, min=1,
               help="Seconds that a call over the bus may take before the caller gives up."),
    cfg.IntOpt("connect_timeout", default=10, min=1,
               help="Seconds that a call waits at most for the connection to the broker to come up."),
    cfg.IntOpt("cast_retries", default=1, min=0, max=3,
               help="How often a message that nobody waits for is offered again to a broker that does not answer; 1 "
                    "takes about 2 seconds, 2 about 6. The work itself stands in the database and is not lost."),
    cfg.IntOpt("workers", default=32, min=1,
               help="How many requests a server works on at the same time, per topic."),
    cfg.IntOpt("message_lifetime", default=120, min=10,
               help="Seconds that a message stays valid after it was signed. Clocks of all hosts must agree within "
                    "half of it."),
    cfg.StrOpt("keys",
               help="Directory with the keys that sign messages (written by 'nova-manage host enroll', mode 0600). "
                    "Unset: keys/ below state_path."),
    cfg.BoolOpt("quorum_queues", default=True,
                help="Use replicated (quorum) queues on RabbitMQ. A change needs a fresh virtual host: queues cannot "
                     "change their kind."),
    cfg.IntOpt("heartbeat", default=10, min=2,
               help="Seconds without a sign of life after which a connection to the broker counts as dead."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
