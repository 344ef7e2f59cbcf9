# SPDX-License-Identifier: Apache-2.0
"""Logging: oslo.log's options with our defaults, and the set-up of a process's log.

``use_json = true`` gives one JSON object per line, ``debug = true`` more lines; request ids are in every one.
"""

from __future__ import annotations

from oslo_config import cfg
from oslo_log import log

GROUP: str | None = None
OPTS: list[cfg.Opt] = []  # oslo.log lists its own under the namespace "oslo.log"

_QUIET = ["amqp=WARNING", "sqlalchemy=WARNING", "stevedore=WARNING", "oslo_messaging=WARNING",
          "oslo.messaging=WARNING", "urllib3=WARNING", "oslo_policy=WARNING", "oslo_service=WARNING",
          "waitress=WARNING", "alembic=WARNING"]


def register(conf: cfg.ConfigOpts) -> None:
    if "use_json" not in conf:
        log.register_options(conf)
    log.set_defaults(default_log_levels=_QUIET)


def setup(conf: cfg.ConfigOpts) -> None:
    """Start logging as the configuration says; to be called once a process."""
    log.setup(conf, "nova")
