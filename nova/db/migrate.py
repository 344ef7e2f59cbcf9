# SPDX-License-Identifier: Apache-2.0
"""Schema migrations of the API database and of cell databases: bring up, say the version, compare with the tables.

The migrations stand in ``alembic/{api,cell}``; the wheel carries them as ``nova.db._alembic``. They only ever expand a
schema, so they run while the service does, and a database that is newer than this code is fine.
"""

from __future__ import annotations

import functools
import importlib
import importlib.resources
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa

from nova import errors
from nova.db.engine import Database

if TYPE_CHECKING:
    from alembic.script import Script

Which = Literal["api", "cell"]
_VERSION_TABLE = sa.table("alembic_version", sa.column("version_num"))
_REVISION = re.compile(r"^revision(?:: str)? = ['\"](\w+)['\"]", re.M)
_DOWN = re.compile(r"^down_revision(?:: [^=]+)? = ['\"](\w+)['\"]", re.M)
_COMMANDS = {"api": "api_db sync", "cell": "db sync"}
_SECTIONS = {"api": "api_database", "cell": "database"}


def scripts(which: Which) -> Path:
    """The directory of the migrations: in the wheel, else beside the package (a checkout)."""
    packaged = Path(str(importlib.resources.files("nova.db"))) / "_alembic" / which
    beside = Path(__file__).resolve().parents[2] / "alembic" / which
    for directory in (packaged, beside):
        if (directory / "env.py").exists():
            return directory
    raise errors.ConfigError(f"the migrations of the {which} database are not installed ({packaged} is missing)")


def tables(which: Which) -> sa.MetaData:
    """All tables of that kind of database, as the modules of ``nova.db.api`` or ``nova.db.cell`` define them."""
    package = importlib.import_module(f"nova.db.{which}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"nova.db.{which}.{module.name}")
    metadata: sa.MetaData = package.metadata
    return metadata


@functools.cache
def _revisions(which: Which) -> tuple[frozenset[str], str | None]:
    """All revisions we know, and the last. Read from the files' text: a daemon need not load alembic to compare."""
    texts = [path.read_text() for path in scripts(which).glob("versions/*.py")]
    known = {found.group(1) for text in texts if (found := _REVISION.search(text))}
    heads = known - {found.group(1) for text in texts if (found := _DOWN.search(text))}
    if len(heads) > 1:
        raise errors.ConfigError(f"the migrations of the {which} database fork: {', '.join(sorted(heads))}")
    return frozenset(known), next(iter(heads), None)


def head(which: Which) -> str | None:
    """The revision that this release brings a database to."""
    return _revisions(which)[1]


def version(database: Database) -> str | None:
    """The revision that the database is at; None when it was never brought up."""
    with database.read() as conn:
        if not sa.inspect(conn).has_table("alembic_version"):
            return None
        found: str | None = conn.execute(sa.select(_VERSION_TABLE.c.version_num)).scalar_one_or_none()
        return found


def is_synced(database: Database, which: Which) -> bool:
    """Whether this release can work on the database: at our revision, or at one that only a later release knows."""
    known, last = _revisions(which)
    found = version(database)
    return found is not None and (found == last or found not in known)


def check_synced(database: Database, which: Which) -> None:
    """Raise ConfigError, with what to do, when the database is not synced."""
    if not is_synced(database, which):
        found = version(database)
        raise errors.ConfigError(f"[{_SECTIONS[which]}] connection: the {database.name} database is "
                                 f"{'at revision ' + found if found else 'empty'}, this release needs {head(which)}; "
                                 f"run 'nova-manage {_COMMANDS[which]}'")


def _config(which: Which, conn: sa.Connection | None = None) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts(which)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    config.attributes["metadata"] = tables(which)
    return config


def upgrade(database: Database, which: Which, revision: str = "head") -> str | None:
    """Run the migrations that are missing; the revision that the database is at then."""
    from alembic import command

    database.check()
    with database.engine.connect() as conn:
        if database.dialect == "sqlite":
            conn.exec_driver_sql("BEGIN IMMEDIATE")  # all or nothing, and one fsync in place of one per table
        command.upgrade(_config(which, conn), revision)
        conn.commit()
    return version(database)


def differences(database: Database, which: Which) -> list[Any]:
    """What a migration would have to change so that the database equals the tables; empty is right."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        return list(compare_metadata(context, tables(which)))


def generate(database: Database, which: Which, message: str, revision: str) -> Path:
    """Write a migration from what :func:`differences` finds. The database must be at our revision."""
    from alembic import command

    with database.engine.connect() as conn:
        script = command.revision(_config(which, conn), message=message, rev_id=revision, autogenerate=True)
    return Path(cast("Script", script).path)
