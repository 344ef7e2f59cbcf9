# SPDX-License-Identifier: Apache-2.0
"""Which work a nova-conductor does."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "conductor"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("secrets_keys_dir", default="$state_path/keys/secrets",
               help="Directory of the keys that passwords and files of operations under way are sealed with, one file "
                    "<name>.key each with at least 32 random bytes in hexadecimal. The file that sorts last seals, all "
                    "of them open, so a key is changed by adding a file and removing the old one a day later. A first "
                    "key is made when the directory is empty. nova-api and all conductors share the keys; hosts have "
                    "none of them."),
    cfg.StrOpt(
        "role", default="api", choices=[
            ("api", "runs operations over all cells; has the API database and reaches every cell"),
            ("cell", "serves the hosts of one cell; has that cell's database and bus and nothing else")],
        help="The level of this conductor. A cloud needs at least one of each, and one with role cell per cell."),
    cfg.FloatOpt("audit_interval", default=60.0, min=1.0,
                 help="Seconds between two turns of the auditor of role api. A turn looks at what changed and at a "
                      "slice of everything; what two turns both saw is released."),
    cfg.FloatOpt("audit_full_pass", default=3600.0, min=0.0,
                 help="Seconds in which the slices of the auditor have covered everything. 0: each turn looks at "
                      "everything."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
    conf.register_cli_opts([cfg.StrOpt("role", dest="conductor_role", choices=["api", "cell"],
                                       help="Only for nova-conductor: in place of [conductor] role.")])
