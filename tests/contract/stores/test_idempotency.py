# SPDX-License-Identifier: Apache-2.0
"""Keys of requests on every engine: of many that come at once one is carried out, and its answer is everyone's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.cells import Cells
from nova.db import api as api_db
from nova.db import cell as cell_db
from nova.db.api import cells as mappings
from nova.db.api import idempotency as keys
from nova.db.cell import idempotency as marks
from nova.db.engine import Database
from nova.db.schema import db_now
from nova.store.idempotency import KeyClaim, KeyStore, purge_keys, purge_marks
from nova.web.idempotency import AlreadyDone, Asked, Kept

ACCEPTED = Kept(202, (("Content-Type", "application/json"),), b"")
ANSWER = Kept(202, (("Content-Type", "application/json"), ("Location", "http://x/é")), b'{"server": {"id": "1"}}')


@dataclasses.dataclass
class Site:
    api: Database
    cell: Database
    store: KeyStore


@pytest.fixture
def site(database_kind: str, make_database: Callable[..., str]) -> Iterator[Site]:
    api, cell = (Database(make_database(database_kind, name), name=name, synchronous="OFF") for name in ("api", "cell"))
    api_db.metadata.create_all(api.engine, tables=[keys.idempotency_keys, mappings.cell_mappings])
    cell_db.metadata.create_all(cell.engine, tables=[marks.idempotency_marks])
    with api.write() as conn:
        conn.execute(mappings.cell_mappings.insert().values(
            uuid="c" * 36, name="cell", disabled=False, created_at=1.0,
            database_connection=cell.url.render_as_string(False)))
    cells = Cells(api, lambda row: (cell, None))
    yield Site(api, cell, KeyStore(api, cells, lambda: b"s" * 32))
    cells.close()
    cell.dispose()
    api.dispose()


def let_holds_end(site: Site) -> None:
    """The time passes after which requests that have not come to an end are believed to have died."""
    with site.api.write() as conn:
        conn.execute(keys.idempotency_keys.update().values(lease_until=db_now() - 1))


def asked(key: str = "k", fingerprint: str = "f" * 64) -> Asked:
    return Asked(key, "p", "u", fingerprint, concurrency.uuid4(), ACCEPTED)


def claimed(site: Site, request: Asked | None = None) -> KeyClaim:
    claim = site.store.claim(request or asked())
    assert isinstance(claim, KeyClaim)
    return claim


def test_of_many_at_once_one_is_carried_out(site: Site) -> None:
    done: list[str] = []
    told: list[Kept] = []
    refused: list[int] = []

    def ask() -> None:
        try:
            claim = site.store.claim(asked())
        except errors.Conflict as e:
            refused.append(e.details["retry_after"])
            return
        if isinstance(claim, Kept):
            told.append(claim)
            return
        with claim.witnessing(), site.cell.write():
            done.append(claim.asked.owner)
        claim.keep(ANSWER)

    tasks = [concurrency.spawn(ask) for _ in range(12)]
    assert all(task.join(120) for task in tasks)
    assert len(done) == 1 and len(done) + len(told) + len(refused) == 12
    assert site.store.claim(asked()) == ANSWER and all(kept == ANSWER for kept in told)
    with pytest.raises(errors.Unprocessable):
        site.store.claim(asked(fingerprint="e" * 64))


def test_a_promise_is_kept_from_its_commit_on(site: Site) -> None:
    claim = claimed(site)
    with pytest.raises(ZeroDivisionError), claim.witnessing(), site.api.write():
        claim.promise(ANSWER)
        raise ZeroDivisionError  # rolled back
    assert not claim.accepted
    with claim.witnessing(), site.api.write():
        claim.promise(ANSWER)
    assert claim.accepted and site.store.claim(asked()) == ANSWER


def test_a_repeated_transaction_carries_the_key_again(site: Site) -> None:
    """As after a deadlock: what was rolled back has left nothing."""
    claim = claimed(site)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), claim.witnessing(), site.cell.write():
            raise ZeroDivisionError
    with claim.witnessing():
        for _ in range(2):  # two transactions of one request
            with site.cell.write():
                pass
        with site.api.write():
            pass
    with site.cell.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(marks.idempotency_marks)).scalar_one() == 1


def test_who_takes_over_finds_what_was_done(site: Site) -> None:
    first = claimed(site)
    with first.witnessing(), site.cell.write():
        first.promise(ANSWER)
    with pytest.raises(errors.Conflict):
        site.store.claim(asked())
    let_holds_end(site)
    assert site.store.claim(asked()) == ANSWER


def test_who_lost_the_key_changes_nothing(site: Site) -> None:
    first = claimed(site)
    let_holds_end(site)
    second = claimed(site)
    with pytest.raises(errors.Conflict), first.witnessing(), site.api.write():
        pass
    with second.witnessing(), site.cell.write():
        second.promise(ANSWER)
    with pytest.raises(AlreadyDone) as found, first.witnessing(), site.cell.write():
        pass
    assert found.value.kept == ANSWER and not first.accepted
    first.drop()
    second.keep(ANSWER)
    assert site.store.claim(asked()) == ANSWER


def test_what_was_dropped_is_free(site: Site) -> None:
    claimed(site).drop()
    claimed(site)


def test_purging(site: Site) -> None:
    for number in range(5):
        claim = claimed(site, asked(f"k{number}"))
        with claim.witnessing(), site.cell.write():
            pass
    assert purge_keys(site.api, batch=2) == purge_marks(site.cell, batch=2) == 0
    concurrency.sleep(0.1)
    assert purge_keys(site.api, life=0.05, batch=2) == purge_marks(site.cell, life=0.05, batch=2) == 5
