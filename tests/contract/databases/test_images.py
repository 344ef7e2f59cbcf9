# SPDX-License-Identifier: Apache-2.0
"""The image library over each database engine: one story of records and bytes, races, and the sweep."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db import schema
from nova.db.api import images as db
from nova.db.api import metadata
from nova.db.engine import Database
from nova.images.manager import Changes, Images
from nova.images.model import Image, Limits
from nova.images.query import Query
from nova.images.signing import Keyring, UrlSigner
from nova.images.store import FileStore

ALICE = RequestContext(user_id="a", project_id="p-a", roles=("member",))
BOB = RequestContext(user_id="b", project_id="p-b", roles=("member",))
ROOT = RequestContext(user_id="r", project_id="p-r", roles=("admin",), is_admin=True)
DATA = b"boot me" * 1000


@pytest.fixture
def images(database_url: str, tmp_path: Path) -> Iterator[Images]:
    database = Database(database_url)
    metadata.create_all(database.engine, tables=[t for n, t in metadata.tables.items() if n.startswith("image")])
    limits = Limits(disk_formats=("raw", "qcow2"), container_formats=("bare",), page=5)
    yield Images(database, FileStore(tmp_path / "store"), UrlSigner(Keyring(tmp_path / "keys")), limits,
                 endpoint="http://images/", retention=0)
    database.dispose()


def make(images: Images, name: str = "n", data: bytes | None = DATA, **values: object) -> Image:
    image = images.create(ALICE, {"name": name, "disk_format": "raw", "container_format": "bare", **values},
                          {"os_type": "linux"}, ["t"])
    if data is not None:
        images.data.upload(ALICE, image.id, [data], len(data))
    return images.show(ALICE, image.id)


def files(tmp_path: Path) -> list[Path]:
    return [p for p in (tmp_path / "store").rglob("*") if p.is_file() and p.name != ".clock"]


def test_story_of_an_image(images: Images, tmp_path: Path) -> None:
    image = make(images, name="čaj ☕", protected=True, visibility="private")
    assert (image.name, image.status, image.size, image.os_hash_value) == (
        "čaj ☕", "active", len(DATA), hashlib.sha512(DATA).hexdigest())
    assert image.properties == {"os_type": "linux"} and image.tags == ("t",) and image.protected is True
    with pytest.raises(errors.NotFound):
        images.show(BOB, image.id)
    source = images.source(ROOT, image.id)
    assert source["url"].startswith(f"http://images/v2/images/{image.id}/file?expires=")
    assert (source["size"], source["hash_algo"], source["hash_value"]) == (len(DATA), "sha512", image.os_hash_value)
    changed = images.update(ALICE, image.id, lambda i: Changes(
        {"protected": False, "visibility": "shared"}, {"a": "b" * 65535}, ["os_type"], ["ü", "u"]))
    assert images.show(ALICE, image.id) == changed and changed.tags == ("u", "ü")
    images.members.add(ALICE, image.id, "p-b")
    assert images.members.answer(BOB, image.id, "p-b", "accepted").status == "accepted"
    assert [i.id for i in images.list(BOB)] == [image.id]
    images.delete(ALICE, image.id)
    assert images.list(ROOT) == [] and files(tmp_path) == []


def test_reference_speaks_as_the_compute_api_does(images: Images) -> None:
    for image_id in ("nope", "6ab7ad70-8f7e-4686-9198-6d6865edbd86", make(images).id.upper()):
        with pytest.raises(errors.Invalid, match="^Can not find requested image$"):
            images.reference(ALICE, image_id)
    with pytest.raises(errors.Invalid, match="is not active"):
        images.reference(ALICE, make(images, data=None).id)
    assert images.reference(ALICE, make(images, min_disk=2).id).min_disk == 2


def test_pages_and_filters(images: Images) -> None:
    ids = [make(images, name=f"n{n % 3}", data=DATA if n % 2 else None).id for n in range(7)]
    for sort in ([("name", "asc")], [("size", "desc"), ("name", "asc")], [("created_at", "asc")], []):
        seen: list[str] = []
        while page := images.list(ALICE, Query(sort=sort, limit=2, marker=seen[-1] if seen else None)):
            seen += [i.id for i in page]
        assert sorted(seen) == sorted(ids)
    for pairs, count in (([("os_type", "linux")], 5), ([("tag", "t"), ("status", "active")], 3), ([("name", "N1")], 0),
                         ([("protected", "false"), ("size_min", "1")], 3), ([("id", f"in:{ids[0]},{ids[1]}")], 2),
                         ([("created_at", "gte:2020-01-01")], 5), ([("os_hidden", "true")], 0)):
        assert len(images.list(ALICE, Query(filters=pairs))) == count, pairs
    assert len(images.list(BOB)) == 0 and len(images.list(ROOT, Query(limit=100))) == 7


def test_of_two_uploads_one_wins(images: Images, tmp_path: Path) -> None:
    image = make(images, data=None)
    outcomes: list[str] = []

    def upload() -> None:
        try:
            images.data.upload(ALICE, image.id, [DATA, DATA])
            outcomes.append("stored")
        except errors.Conflict:
            outcomes.append("refused")

    tasks = [concurrency.spawn(upload) for _ in range(4)]
    assert all(task.join(120) for task in tasks)
    assert sorted(outcomes) == ["refused"] * 3 + ["stored"] and len(files(tmp_path)) == 1


def test_edits_at_the_same_time_lose_nothing(images: Images) -> None:
    image = make(images, data=None)
    tasks = [concurrency.spawn(images.update, ALICE, image.id, lambda i, n=n: Changes(
        properties={f"p{n}": "x", "os_type": str(n)}, tags=[*i.tags, f"t{n}"])) for n in range(6)]
    assert all(task.join(120) for task in tasks)
    after = images.show(ALICE, image.id)
    assert set(after.properties) == {"os_type", *(f"p{n}" for n in range(6))}
    assert set(after.tags) == {"t", *(f"t{n}" for n in range(6))}


def test_the_sweep_frees_what_a_crash_left(images: Images, tmp_path: Path) -> None:
    image, alive = make(images, data=None), make(images)
    database = images.data._db
    database.run(lambda conn: db.begin_upload(conn, image.id, "saving", "6ab7ad70-8f7e-4686-9198-6d6865edbd86", 0.0))
    stray = tmp_path / "store" / "incoming" / "6ab7ad70-8f7e-4686-9198-6d6865edbd86"
    stray.write_bytes(b"half")
    os.utime(stray, (1_000_000, 1_000_000))
    for path in files(tmp_path):
        os.utime(path, (1_000_000, 1_000_000))
    images.sweep()
    assert images.show(ALICE, image.id).status == "saving"  # its lease is not over yet
    with database.write() as conn:
        conn.execute(sa.update(db.images).where(db.images.c.id == image.id).values(upload_seen=schema.db_now() - 100))
    images.sweep()
    assert images.show(ALICE, image.id).status == "queued"
    assert [p.name.partition(".")[0] for p in files(tmp_path)] == [alive.id]
    images.data.upload(ALICE, image.id, [DATA])
    images.delete(ALICE, image.id)
    images.sweep()
    with database.read() as conn:
        assert db.get(conn, image.id) is None and db.get(conn, alive.id) is not None
