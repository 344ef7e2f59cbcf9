# SPDX-License-Identifier: Apache-2.0
"""Databases that outlive a seed: their engines keep every compiled statement, each seed gets empty files.

To make and compile statements costs more than to run them, so an engine of its own for each seed would be most of a
seed's time. The files lie in memory where there is room, for nobody reads them after the process.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from nova import concurrency
from nova.db.engine import Database


class SeedDatabase(Database):
    """A database of the simulation, by its name. ``begin`` is a new seed's: nothing of the former one is left."""

    def begin(self) -> None:
        self.engine.dispose()
        self._turn = concurrency.Lock()
        file = Path(self.url.database or "")
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


@functools.cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    """Of this process, gone with it."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="nova-simulation-", dir=memory if memory.is_dir() else None)


@functools.cache
def kept(name: str) -> SeedDatabase:
    return SeedDatabase(url(name), name=name, pool_size=20, synchronous="OFF")


def url(name: str) -> str:
    return f"sqlite:///{_directory().name}/{name}.sqlite"
