# SPDX-License-Identifier: Apache-2.0
"""The guests of one fake host, in one small file each, so that a restart finds them again."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

import orjson

from nova.virt.types import PowerState

SUFFIX = ".json"


@dataclasses.dataclass(slots=True)
class FakeGuest:
    """What the fake hypervisor knows of a guest. ``made`` is False until its spawn is through."""

    uuid: str
    name: str
    display_name: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    nics: list[dict[str, Any]]
    power_state: int = int(PowerState.SHUTDOWN)
    made: bool = False
    boots: list[float] = dataclasses.field(default_factory=list)
    cpu_time_ns: int = 0
    since: float = 0.0


class GuestFiles:
    """A directory of guests with an index in memory. A file is replaced whole, never changed in place."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._guests: dict[str, FakeGuest] = {}

    def load(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._guests = {}
        for entry in os.scandir(self._directory):
            if entry.name.endswith(SUFFIX):
                guest = FakeGuest(**orjson.loads(pathlib.Path(entry.path).read_bytes()))
                self._guests[guest.uuid] = guest
            else:
                os.unlink(entry.path)  # what a writer left that died before its rename

    def save(self, guest: FakeGuest) -> None:
        path = os.path.join(self._directory, guest.uuid)
        with open(path + ".new", "wb") as f:
            f.write(orjson.dumps(dataclasses.asdict(guest)))
        os.replace(path + ".new", path + SUFFIX)
        self._guests[guest.uuid] = guest

    def remove(self, uuid: str) -> FakeGuest | None:
        guest = self._guests.pop(uuid, None)
        if guest:
            (self._directory / (uuid + SUFFIX)).unlink(missing_ok=True)
        return guest

    def get(self, uuid: str) -> FakeGuest | None:
        return self._guests.get(uuid)

    def all(self) -> list[FakeGuest]:
        return list(self._guests.values())
