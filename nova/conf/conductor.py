# SPDX-License-Identifier: Apache-2.0
"""Which work a nova-conductor does."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "conductor"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "role", default="api", choices=[
            ("api", "runs operations over all cells; has the API database and reaches every cell"),
            ("cell", "serves the hosts of one cell; has that cell's database and bus and nothing else")],
        help="The level of this conductor. A cloud needs at least one of each, and one with role cell per cell."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
    conf.register_cli_opts([cfg.StrOpt("role", dest="conductor_role", choices=["api", "cell"],
                                       help="Only for nova-conductor: in place of [conductor] role.")])
