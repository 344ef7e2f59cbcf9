# SPDX-License-Identifier: Apache-2.0
"""Where a database is and how it is used. The section ``[api_database]`` has the same options."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "database"


def options(what: str, example: str) -> list[cfg.Opt]:
    """The options of a section that points at one database."""
    return [
        cfg.StrOpt(
            "connection", secret=True, sample_default=f"postgresql://nova:SECRET@db.example.org/{example}",
            help=f"URL of {what}: sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or "
                 f"mysql://USER:PASSWORD@HOST/NAME (MariaDB and MySQL). A process on a hypervisor host has none."),
        cfg.IntOpt(
            "pool_size", default=20, min=1, max=1000,
            help="How many connections a process keeps open."),
        cfg.FloatOpt(
            "timeout", default=30.0, min=0.1,
            help="Seconds to wait for a free connection, or for another writer on SQLite, before a request is "
                 "answered with 503."),
        cfg.FloatOpt(
            "statement_timeout", default=30.0, min=0,
            help="Seconds that one statement may run on PostgreSQL or MariaDB; then it is given up and the request "
                 "answered with 503. 0: no limit. Migrations, tools and audits have none. With a pooler between us and "
                 "PostgreSQL that passes no options on, set this and the next two to 0 and the limits there."),
        cfg.FloatOpt(
            "lock_timeout", default=5.0, min=0,
            help="Seconds that a statement waits for rows that another transaction holds; then its own transaction is "
                 "begun anew, a few times. 0: no limit. MariaDB counts whole seconds."),
        cfg.FloatOpt(
            "idle_transaction_timeout", default=30.0, min=0,
            help="Seconds that a transaction may do nothing; then the server rolls it back, so that a process that was "
                 "cut off in the middle of one holds no rows. 0: no limit. MariaDB: whole seconds; MySQL: never."),
        cfg.StrOpt(
            "sqlite_synchronous", default="FULL", choices=[
                ("FULL", "an accepted request survives a power cut"),
                ("NORMAL", "faster; the last moments before a power cut may be lost")],
            help="How hard SQLite tries to have a commit on the disk."),
    ]


OPTS: list[cfg.Opt] = options("the database of this process's cell", "nova_cell1")


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
