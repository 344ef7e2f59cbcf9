# SPDX-License-Identifier: Apache-2.0
"""One database: connections for reading, transactions for writing, the same on SQLite, PostgreSQL and MariaDB.

    with database.read() as conn: rows = conn.execute(select(...)).all()
    with database.write() as conn: conn.execute(update(...))        # one transaction, committed at the end

A writer on SQLite begins IMMEDIATE and waits its turn fairly. ``database.run(fn)`` is a write that is repeated when the
engine reports a deadlock or a lost connection before the commit was sent; ``fn(conn)`` must bear being run again.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy import event, exc, pool

from nova import concurrency, errors
from nova.db.limits import Limits
from nova.db.regex import sqlite_match
from nova.db.witness import current as current_witness

T = TypeVar("T")
LOG = logging.getLogger(__name__)
NO_LIMITS = Limits()
_RETRIES = 6
#: What stands under this key in the info of a connection is called when its transaction is committed.
AFTER_COMMIT = "nova.after_commit"
_DEADLOCKS = {"40001", "40P01", "55P03", "1213", "1205", "1020"}


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def normal_url(url: str) -> sa.URL:
    """The URL with the driver we ship: psycopg 3 for PostgreSQL, PyMySQL for MariaDB and MySQL."""
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as e:
        raise errors.ConfigError(f"database connection {url!r} is not a URL; write e.g. sqlite:////var/lib/nova/api.db "
                                 f"or postgresql://user:secret@host/nova_api") from e
    drivers = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql",
               "mariadb": "mysql+pymysql", "sqlite": "sqlite"}
    if parsed.drivername in drivers:
        parsed = parsed.set(drivername=drivers[parsed.drivername])
    return parsed


class Database:
    """An engine with the house's rules. ``name`` is for messages: ``api`` or ``cell1``. ``limits`` are for what serves
    requests; tools and migrations have none."""

    def __init__(self, url: str, *, name: str = "api", pool_size: int = 20, timeout: float = 30.0,
                 synchronous: str = "FULL", limits: Limits = NO_LIMITS) -> None:
        self.name = name
        self.url = normal_url(url)
        self.dialect = self.url.get_backend_name()
        self._synchronous = synchronous
        self._turn = concurrency.Lock() if self.dialect == "sqlite" else contextlib.nullcontext()
        self.engine = self._make_engine(pool_size, timeout, limits)

    @functools.cached_property
    def _patient(self) -> sa.Engine:
        return self.engine if self.dialect == "sqlite" else self._make_engine(1, 30.0, NO_LIMITS)

    def _make_engine(self, pool_size: int, timeout: float, limits: Limits) -> sa.Engine:
        options: dict[str, Any] = {"json_serializer": _dumps, "json_deserializer": orjson.loads}
        if self.dialect == "sqlite":
            simulated = concurrency.backend().name == "simulation"
            connect: dict[str, Any] = {"check_same_thread": False, "timeout": timeout}
            # In a simulation nobody waits for a connection: who has one may be dead.
            options |= {"poolclass": pool.QueuePool, "pool_size": pool_size,
                        "max_overflow": -1 if simulated else 40, "pool_timeout": timeout}
        else:
            connect = {"connect_timeout": 10}
            connect |= {"charset": "utf8mb4"} | limits.mysql() if self.dialect == "mysql" else limits.postgresql()
            options |= {"pool_size": pool_size, "max_overflow": 20, "pool_timeout": timeout, "pool_recycle": 1800,
                        "pool_pre_ping": False, "isolation_level": "READ COMMITTED"}
        engine = sa.create_engine(self.url, connect_args=connect, **options)
        if self.dialect == "sqlite":
            event.listen(engine, "connect", self._prepare_sqlite)
        elif self.dialect == "mysql":
            event.listen(engine, "connect", lambda raw, record: _prepare_mysql(raw, limits))
        return engine

    def _prepare_sqlite(self, raw: sqlite3.Connection, record: Any) -> None:
        raw.isolation_level = None
        raw.create_function("nova_now", 0, concurrency.time)
        raw.create_function("nova_regex_match", 2, sqlite_match, deterministic=True)
        for pragma in ("journal_mode=WAL", f"synchronous={self._synchronous}", "busy_timeout=30000", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")

    @contextlib.contextmanager
    def read(self, *, patient: bool = False) -> Iterator[sa.Connection]:
        """A connection for selects; each select sees what is committed when it runs. A ``patient`` one has no limits:
        it is for passes over everything."""
        with self._errors(), (self._patient if patient else self.engine).connect() as conn:
            yield conn.execution_options(isolation_level="AUTOCOMMIT") if self.dialect != "sqlite" else conn

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        concurrency.checkpoint(f"write:{self.name}")
        witness = current_witness()
        with self._errors(), self._turn, self.engine.connect() as conn:
            conn.info.pop(AFTER_COMMIT, None)  # of a transaction on this connection that was rolled back
            if self.dialect == "sqlite":
                conn.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield conn
                if witness is not None:
                    witness.before_commit(self, conn)
                concurrency.checkpoint(f"tx:commit:{self.name}")
                self._commit(conn)
                then = conn.info.pop(AFTER_COMMIT, None)
            except BaseException:
                self._rollback(conn)
                raise
        if witness is not None:
            witness.after_commit(self)
        concurrency.checkpoint(f"committed:{self.name}")
        if then is not None:
            then()

    def _commit(self, conn: sa.Connection) -> None:
        if self.dialect == "sqlite":
            conn.exec_driver_sql("COMMIT")
        conn.commit()

    def _rollback(self, conn: sa.Connection) -> None:
        with contextlib.suppress(exc.DBAPIError):
            if self.dialect == "sqlite":
                conn.exec_driver_sql("ROLLBACK")
            conn.rollback()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except exc.DBAPIError as e:
            if e.connection_invalidated or isinstance(e, exc.OperationalError | exc.InterfaceError):
                if _sqlstate(e) in _DEADLOCKS or "database is locked" in str(e.orig):
                    raise
                raise errors.Unavailable(f"The {self.name} database is not reachable now.", retry_after=5,
                                         cause=str(e.orig).splitlines()[0] if str(e.orig) else "") from e
            raise
        except exc.TimeoutError as e:
            raise errors.Unavailable(f"All connections to the {self.name} database are busy.", retry_after=2) from e

    def run(self, fn: Callable[[sa.Connection], T]) -> T:
        """``fn`` in a transaction, again after a deadlock (Unavailable after many); other errors leave at once."""
        for attempt in range(_RETRIES):
            try:
                with self.write() as conn:
                    return fn(conn)
            except exc.DBAPIError as e:
                if not (_sqlstate(e) in _DEADLOCKS or "locked" in str(e.orig)):
                    raise
                if attempt == _RETRIES - 1:
                    raise errors.Unavailable(f"Too many write to the same rows of the {self.name} database now.",
                                             retry_after=2) from e
                concurrency.sleep(0.01 * 2**attempt * (0.5 + concurrency.random().random()))
        raise AssertionError("unreachable")

    def check(self) -> None:
        """Raise :class:`errors.Unavailable` when the database does not answer."""
        with self.read() as conn:
            conn.execute(sa.select(sa.literal(1))).scalar_one()

    def dispose(self) -> None:
        self.engine.dispose()
        if "_patient" in vars(self):
            self._patient.dispose()


def _prepare_mysql(raw: Any, limits: Limits) -> None:
    """A fresh session of MariaDB or MySQL."""
    statements = limits.session(mariadb="mariadb" in raw.get_server_info().lower())
    with raw.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _sqlstate(error: exc.DBAPIError) -> str:
    orig = error.orig
    state = getattr(orig, "sqlstate", None)
    if state:
        return str(state)
    args = getattr(orig, "args", ())
    return str(args[0]) if args else ""
