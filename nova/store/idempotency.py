# SPDX-License-Identifier: Apache-2.0
"""Keys of requests, kept so that none is carried out twice, whatever dies in between.

A request reserves its key in the API database, and every transaction that it commits carries the key: in the API
database by the row's state, in a cell by a mark. Whoever finds a reservation whose owner is silent looks for marks in
all cells first. A transaction of an owner that lost its key is rolled back.

Answers are encrypted with a key made of the services' secret and the client's own key: what a database dump tells of a
password in an answer is nothing.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import exc

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.db.api import idempotency as keys
from nova.db.cell import idempotency as marks
from nova.db.engine import Database
from nova.db.witness import witnessed
from nova.web.idempotency import AlreadyDone, Asked, Kept

#: Seconds that a key and its answer are remembered.
LIFETIME = 86400.0
#: Seconds after which a request that has not come to an end is believed to have died.
LEASE = 60.0
_TRIES = 3


class KeyStore:
    """Implements :class:`nova.web.idempotency.Keys`. ``secret`` is asked for when it is needed first; it is the same in
    all API processes."""

    def __init__(self, api: Database, cells: Cells, secret: Callable[[], bytes], *, lease: float = LEASE,
                 life: float = LIFETIME) -> None:
        self.api, self.lease, self.life = api, lease, life
        self._cells, self._secret = cells, functools.cache(secret)

    def claim(self, asked: Asked) -> KeyClaim | Kept:
        claim = KeyClaim(self, asked, self._sealer(asked))
        for _ in range(_TRIES):
            row = self.api.run(lambda conn: keys.reserve(conn, claim.key, asked.fingerprint, asked.owner,
                                                         lease=self.lease, life=self.life))
            if row["fingerprint"] != asked.fingerprint:
                raise errors.Unprocessable("This Idempotency-Key was used with another request.")
            if row["owner"] == asked.owner:
                return claim
            if row["answer"] is not None:
                return claim.unsealed(row["answer"])
            if row["held"] > 0:
                raise errors.Conflict("The first request with this Idempotency-Key is being carried out.",
                                      retry_after=max(1, min(5, round(row["held"]))))
            if row["state"] != keys.RUNNING:
                return claim.without_answer()
            if self.api.run(functools.partial(keys.take_over, key=claim.key, owner=asked.owner, before=row["owner"],
                                              lease=self.lease)):
                return self._left_behind(claim)
        raise errors.Conflict("Several requests with this Idempotency-Key run at once.", retry_after=1)

    def _sealer(self, asked: Asked) -> Fernet:
        derived = HKDF(SHA256(), 32, salt=None, info=b"nova idempotency\0" + asked.key.encode()).derive(self._secret())
        return Fernet(base64.urlsafe_b64encode(derived))

    def _left_behind(self, claim: KeyClaim) -> KeyClaim | Kept:
        """What the silent owner had committed in a cell, if anything. Unavailable when a cell cannot be asked."""
        def look(cell: Cell) -> tuple[str, str | None] | None:
            with cell.database.read() as conn:
                return marks.find(conn, claim.key, self.life)

        for answer in self._cells.scatter(look).values():
            if isinstance(answer, errors.NovaError):
                raise errors.Unavailable("It cannot be found out now whether the first request with this "
                                         "Idempotency-Key was carried out.", retry_after=5) from answer
            if answer is not None:
                kept = claim.unsealed(answer[1])
                claim.keep(kept)
                return kept
        return claim


class KeyClaim:
    """Implements :class:`nova.web.idempotency.Claim`, and witnesses the transactions of its request."""

    def __init__(self, store: KeyStore, asked: Asked, sealer: Fernet) -> None:
        self.asked, self.key = asked, _digest(asked)
        self._store, self._sealer = store, sealer
        self._promise: Kept | None = None
        self._promised: str | None = None
        self._written: dict[int, str | None] = {}  # database → what its transactions have carried so far

    @property
    def accepted(self) -> bool:
        return bool(self._written)

    @contextlib.contextmanager
    def witnessing(self) -> Iterator[None]:
        with witnessed(self):
            yield

    def promise(self, kept: Kept) -> None:
        self._promise, self._promised = kept, self._sealed(kept)

    def keep(self, kept: Kept) -> None:
        if kept == self._promise and self._written.get(id(self._store.api)) == self._promised:
            return  # stands in its row already
        sealed = self._sealed(kept)
        with witnessed(None):
            self._store.api.run(lambda conn: keys.change(conn, self.key, self.asked.owner, state=keys.DONE,
                                                         answer=sealed))

    def drop(self) -> None:
        with witnessed(None):
            self._store.api.run(lambda conn: keys.drop(conn, self.key, self.asked.owner))

    # -- witness -------------------------------------------------------------------------------------------------------

    def before_commit(self, database: Database, conn: sa.Connection) -> None:
        known = id(database) in self._written
        if known and self._written[id(database)] == self._promised:
            return
        if database is self._store.api:
            self._carry_in_api(conn)
        elif known:
            marks.promise(conn, self.key, self.asked.owner, self._promised or "")
        else:
            self._mark(conn)

    def after_commit(self, database: Database) -> None:
        concurrency.checkpoint(f"key:committed:{database.name}")
        self._written[id(database)] = self._promised

    def _carry_in_api(self, conn: sa.Connection) -> None:
        if not keys.change(conn, self.key, self.asked.owner, state=keys.ACCEPTED, answer=self._promised):
            raise errors.Conflict("Another request with this Idempotency-Key has taken over.", retry_after=1)

    def _mark(self, conn: sa.Connection) -> None:
        """A mark that is there is of a request that was believed dead, and was faster: its outcome is the answer."""
        marks.forget(conn, self.key, self._store.life)
        found = marks.find(conn, self.key, self._store.life)
        if found is None:
            try:
                marks.mark(conn, self.key, self.asked.owner, self._promised)
            except exc.IntegrityError as e:
                raise AlreadyDone(self.without_answer()) from e
            return
        raise AlreadyDone(self.unsealed(found[1]))

    # -- answers -------------------------------------------------------------------------------------------------------

    def _sealed(self, kept: Kept) -> str:
        return self._sealer.encrypt(kept.dumps()).decode()

    def without_answer(self) -> Kept:
        if self.asked.unknown is None:
            raise errors.Conflict("The request with this Idempotency-Key was carried out, but its answer was lost. "
                                  "Look at what it was to make or change.")
        return self.asked.unknown

    def unsealed(self, text: str | None) -> Kept:
        if text is None:
            return self.without_answer()
        try:
            return Kept.loads(self._sealer.decrypt(text))
        except InvalidToken as e:
            raise errors.Conflict("The request with this Idempotency-Key was carried out; its answer cannot be read "
                                  "any more, as the keys of the services have changed.") from e


def _digest(asked: Asked) -> str:
    """The name of the key in databases. The key itself is part of what opens the answer, so it is not kept."""
    parts = (asked.project_id, asked.user_id, asked.key)
    return hashlib.sha256(b"".join(len(p.encode()).to_bytes(4) + p.encode() for p in parts)).hexdigest()


def purge_keys(api: Database, life: float = LIFETIME, batch: int = 1000) -> int:
    """Forget all keys whose time is over, a batch per transaction; how many."""
    return _in_batches(lambda: api.run(lambda conn: keys.purge(conn, life, batch)), batch)


def purge_marks(cell: Database, life: float = LIFETIME, batch: int = 1000) -> int:
    return _in_batches(lambda: cell.run(lambda conn: marks.purge(conn, life, batch)), batch)


def _in_batches(purge: Callable[[], int], batch: int) -> int:
    total = 0
    while True:
        done = purge()
        total += done
        if done < batch:
            return total
