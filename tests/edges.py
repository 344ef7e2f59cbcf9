# SPDX-License-Identifier: Apache-2.0
"""The edge between a process and its database: a server that cannot be reached, or that does not answer."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import event

from nova.db.engine import Database


@contextlib.contextmanager
def unreachable(database: Database) -> Iterator[None]:
    """Whoever connects through this object is refused."""
    def refuse(*connecting: Any) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    with _connecting(database, refuse):
        yield


@contextlib.contextmanager
def silent(database: Database) -> Iterator[None]:
    """Whoever connects through this object waits until the block ends."""
    back = threading.Event()

    def wait(*connecting: Any) -> None:
        back.wait(300)

    with _connecting(database, wait):
        try:
            yield
        finally:
            back.set()


@contextlib.contextmanager
def _connecting(database: Database, meet: Callable[..., None]) -> Iterator[None]:
    event.listen(database.engine, "do_connect", meet)
    database.engine.dispose()  # connections that wait in the pool are lost
    try:
        yield
    finally:
        event.remove(database.engine, "do_connect", meet)
