# SPDX-License-Identifier: Apache-2.0
"""What must be committed together with whatever the running task commits next.

A request that carries a key wants the key in the transaction that accepts it, whichever database and module that is. It
names a witness for its task; every transaction of the task shows itself to it just before the commit. What a witness
writes stands in the modules that have one (:mod:`nova.store.idempotency`).
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

if TYPE_CHECKING:
    from nova.db.engine import Database


class Witness(Protocol):
    def before_commit(self, database: Database, conn: sa.Connection) -> None:
        """Add to the transaction; what is raised rolls it back."""

    def after_commit(self, database: Database) -> None:
        """The transaction stands."""


_current: contextvars.ContextVar[Witness | None] = contextvars.ContextVar("nova_db_witness", default=None)


def current() -> Witness | None:
    return _current.get()


@contextlib.contextmanager
def witnessed(witness: Witness | None) -> Iterator[None]:
    """Transactions that this task begins in the block are shown to ``witness``."""
    token = _current.set(witness)
    try:
        yield
    finally:
        _current.reset(token)
