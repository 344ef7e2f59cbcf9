# SPDX-License-Identifier: Apache-2.0
"""Where the API database is: what is global to the cloud. Only processes of the API level have it."""

from __future__ import annotations

from oslo_config import cfg

from nova.conf.database import options

GROUP: str | None = "api_database"
OPTS: list[cfg.Opt] = options("the API database", "nova_api")


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
