# SPDX-License-Identifier: Apache-2.0
"""Options about availability zones, which scheduling and the API both need; they stand in [DEFAULT]."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = None

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("default_availability_zone", default="nova",
               help="Zone of the compute hosts that are in no aggregate with the metadata availability_zone."),
    cfg.StrOpt("internal_service_availability_zone", default="internal",
               help="Zone under which services other than nova-compute are shown."),
    cfg.StrOpt("default_schedule_zone",
               help="Zone for servers whose request names none. Not set: any zone, and later moves may leave it."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS)
