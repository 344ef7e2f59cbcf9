# SPDX-License-Identifier: Apache-2.0
"""Bytes of images and the states they go through: upload, staging and import, download, deactivation, clean-up."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.api import images as db
from nova.db.engine import Database
from nova.host import inspector
from nova.images import access, checks
from nova.images.store import FileStore, Stored

LOG = logging.getLogger(__name__)
_STRAY_AGE = 3600.0
_BATCH = 200


class ImageData:
    """An upload owns its image by ``upload_id`` and says every few seconds that it lives; others see it die."""

    def __init__(self, database: Database, store: FileStore, *, upload_timeout: float = 60.0) -> None:
        self._db = database
        self._store = store
        self._timeout = upload_timeout

    def upload(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None = None) -> None:
        """Make a queued image active with these bytes. On failure it is queued again and nothing stays behind."""
        with self._received(ctx, image_id, "saving", chunks, size) as (upload_id, stored, disk_format):
            values = self._inspected(stored, disk_format) | {"status": "active"}
            self._commit(image_id, upload_id, stored, values, "active")

    def fill(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None = None) -> None:
        """As :meth:`upload`, for the one sender that an image is made for, who may have died and come again: what it
        began before is given up, and an image that has its bytes keeps them."""
        with self._db.read() as conn:
            row = access.readable(conn, ctx, image_id)
        if row["status"] == "active":
            for _ in chunks:  # the sender cannot read the answer before it has sent everything
                continue
            return
        if row["status"] == "saving" and row["upload_id"] is not None:
            LOG.info("the upload %s of image %s begins anew", row["upload_id"], image_id)
            self._give_back(image_id, row["upload_id"])
        self.upload(ctx, image_id, chunks, size)

    def stage(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None = None) -> None:
        """Hold bytes for a later import; the image is ``uploading`` until then."""
        with self._received(ctx, image_id, "uploading", chunks, size) as (upload_id, stored, _):
            self._commit(image_id, upload_id, stored, _facts(stored), "staged")

    def import_staged(self, ctx: RequestContext, image_id: str) -> None:
        """Inspect what was staged and make the image active with it; refused content is removed."""
        with self._db.read() as conn:
            row = access.readable(conn, ctx, image_id)
            if not access.owns(ctx, row):
                raise errors.Forbidden("You are not permitted to import data into this image.")
            checks.check_ready(row)
            path = db.location(conn, image_id, "staged")
        if row["status"] != "uploading" or path is None:
            raise errors.Conflict(f"Image {image_id} has no staged data; its status is {row['status']}.")
        try:
            inspection = inspector.verify(self._store.path(path), row["disk_format"])
        except errors.Invalid:
            self._db.run(lambda conn: self._requeue_staged(conn, image_id))
            self.remove_marked()
            raise
        self._db.run(lambda conn: self._activate_staged(conn, image_id, inspection.virtual_size))

    def _requeue_staged(self, conn: sa.Connection, image_id: str) -> None:
        if db.update(conn, image_id, {"status": "queued", "size": None, "checksum": None, "os_hash_algo": None,
                                      "os_hash_value": None}, db.images.c.status == "uploading"):
            db.set_location(conn, image_id, "removing")

    def _activate_staged(self, conn: sa.Connection, image_id: str, virtual_size: int | None) -> None:
        values = {"status": "active", "virtual_size": virtual_size, "updated_at": concurrency.time()}
        if not db.update(conn, image_id, values, db.images.c.status == "uploading"):
            raise errors.Conflict(f"Image {image_id} was changed or deleted while its data was imported.")
        db.set_location(conn, image_id, "active")

    def open(self, ctx: RequestContext, image_id: str) -> tuple[dict[str, Any], BinaryIO | None]:
        """The record and its bytes, or None for them when there are none yet."""
        with self._db.read() as conn:
            row = access.readable(conn, ctx, image_id)
            if row["status"] == "deactivated" and not ctx.is_admin:
                raise errors.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
            path = db.location(conn, image_id, "active")
        return row, None if path is None else self._store.open(path)

    def set_active(self, ctx: RequestContext, image_id: str, active: bool) -> None:
        """Deactivate an active image, or activate a deactivated one; a repeat is no error."""
        before, after = ("deactivated", "active") if active else ("active", "deactivated")

        def change(conn: sa.Connection) -> None:
            row = access.writable(conn, ctx, image_id)
            if row["status"] == after:
                return
            if not db.update(conn, image_id, {"status": after, "updated_at": concurrency.time()},
                             db.images.c.status == before):
                raise errors.Forbidden(f"Not allowed to {'re' if active else 'de'}activate image in status "
                                       f"'{row['status']}'")

        self._db.run(change)

    # -- one upload

    @contextlib.contextmanager
    def _received(self, ctx: RequestContext, image_id: str, status: str, chunks: Iterable[bytes],
                  size: int | None) -> Iterator[tuple[str, Stored, str]]:
        """Take the image, receive the bytes, and let the block decide; an error gives the image back."""
        upload_id = concurrency.uuid4()
        disk_format = self._db.run(lambda conn: self._begin(conn, ctx, image_id, status, upload_id))
        stored: Stored | None = None
        try:
            with self._lease(image_id, upload_id) as check:
                stored = self._store.receive(upload_id, chunks, size=size, progress=check)
                yield upload_id, stored, disk_format
        except Exception:
            if stored is not None:
                self._store.discard(stored)
            self.guarded(lambda: self._give_back(image_id, upload_id))
            raise

    def _begin(self, conn: sa.Connection, ctx: RequestContext, image_id: str, status: str,
               upload_id: str) -> str:
        row = access.writable(conn, ctx, image_id, "upload data to")
        if status == "saving":
            checks.check_ready(row)
        if row["status"] != "queued" or not db.begin_upload(conn, image_id, status, upload_id, concurrency.time()):
            raise errors.Conflict(f"Image status transition from {row['status']} to {status} is not allowed")
        return row["disk_format"] or ""

    def _give_back(self, image_id: str, upload_id: str) -> None:
        self._db.run(lambda conn: db.end_upload(conn, image_id, upload_id, {"status": "queued"}))

    @contextlib.contextmanager
    def _lease(self, image_id: str, upload_id: str) -> Iterator[Callable[[int], None]]:
        """Keep the upload alive in the record while the block runs; the yielded check raises when it was lost."""
        over, lost = concurrency.Event(), concurrency.Event()

        def keep() -> None:
            while not over.wait(self._timeout / 6):
                self.guarded(refresh)

        def refresh() -> None:
            if not self._db.run(lambda conn: db.refresh_upload(conn, image_id, upload_id)):
                lost.set()

        def check(_size: int) -> None:
            if lost.is_set():
                raise errors.Gone(f"Image {image_id} was deleted while its data was uploaded.")

        task = concurrency.spawn(keep, name="image-upload-lease")
        try:
            yield check
        finally:
            over.set()
            task.join(5)

    def _inspected(self, stored: Stored, disk_format: str) -> dict[str, Any]:
        inspection = inspector.verify(stored.path, disk_format)
        return _facts(stored) | {"virtual_size": inspection.virtual_size}

    def _commit(self, image_id: str, upload_id: str, stored: Stored, values: dict[str, Any], state: str) -> None:
        """Keep the file and write the outcome. When that fails the sweep decides, by what the record says."""
        path = self._store.keep(stored, f"{image_id}.{upload_id}")

        def finish(conn: sa.Connection) -> bool:
            now = concurrency.time()
            if not db.end_upload(conn, image_id, upload_id, values | {"updated_at": now}):
                return False
            db.insert_location(conn, image_id, path, state, now)
            return True

        if not self._db.run(finish):
            self._store.remove(path)
            raise errors.Gone(f"Image {image_id} was deleted while its data was uploaded.")

    # -- clean-up

    def sweep(self) -> None:
        with self._db.read() as conn:
            abandoned = db.abandoned_uploads(conn, self._timeout)
        for image_id, upload_id in abandoned:
            LOG.warning("The upload %s of image %s was abandoned; the image is queued again", upload_id, image_id)
            self._give_back(image_id, upload_id)
        self.remove_marked()
        self._remove_strays()

    def remove_marked(self) -> None:
        """Remove the files of deleted images; one that cannot be removed now is left for the next time."""
        with self._db.read() as conn:
            paths = db.locations(conn, "removing", _BATCH)
        for path in paths:
            self.guarded(functools.partial(self._remove, path))

    def _remove(self, path: str) -> None:
        self._store.remove(path)
        self._db.run(lambda conn: db.remove_location(conn, path))

    def _remove_strays(self) -> None:
        batch: list[str] = []
        for path in self._store.strays(_STRAY_AGE):
            batch.append(path)
            if len(batch) == _BATCH:
                self._remove_unknown(batch)
                batch = []
        self._remove_unknown(batch)

    def _remove_unknown(self, paths: list[str]) -> None:
        if not paths:
            return
        with self._db.read() as conn:
            known = db.known_paths(conn, paths)
        for path in paths:
            if path not in known:
                LOG.warning("The file %s in the image store belongs to no image and is removed", path)
                self._store.remove(path)

    def guarded(self, work: Callable[[], None]) -> None:
        """Run a clean-up that a later sweep repeats; a failure is logged."""
        try:
            work()
        except errors.Unavailable as e:
            LOG.warning("Cleaning up images is tried again later: %s", e.message)
        except Exception:
            LOG.exception("Cleaning up images failed; it is tried again later")


def _facts(stored: Stored) -> dict[str, Any]:
    return {"size": stored.size, "checksum": stored.md5, "os_hash_algo": "sha512", "os_hash_value": stored.sha512}
