# SPDX-License-Identifier: Apache-2.0
"""The guests of one fake host, in a file of that host, so that a restart finds them again."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

import orjson

from nova import errors
from nova.virt.types import PowerState

#: Lines of the journal that are superfluous before it is written anew.
COMPACT_AFTER = 1000


@dataclasses.dataclass(slots=True)
class FakeGuest:
    """What the fake hypervisor knows of a guest. ``made`` is False until its spawn is through, or it has arrived from
    another host; ``moving_to`` is where it goes to from the moment in which it leaves."""

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
    passwords: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    interrupts: int = 0
    moving_to: str = ""
    rescue_image: str = ""
    ephemerals: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    swap_mb: int = 0


class GuestFile:
    """An index in memory over a journal: every change is one appended line, the last line of a guest counts.

    Nothing is synced to disk: the guests shall survive the process, not the machine. A line that a dying process wrote
    in part is ignored.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._guests: dict[str, FakeGuest] = {}
        self._lines = 0
        self._descriptor = -1

    def load(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._guests = {}
        if self._path.exists():
            for line in self._path.read_bytes().splitlines():
                self._apply(line)
        self._compact()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def save(self, guest: FakeGuest) -> None:
        self._guests[guest.uuid] = guest
        self._append(orjson.dumps(guest, option=orjson.OPT_APPEND_NEWLINE))

    def remove(self, uuid: str) -> FakeGuest | None:
        guest = self._guests.pop(uuid, None)
        if guest:
            self._append(orjson.dumps({"gone": uuid}, option=orjson.OPT_APPEND_NEWLINE))
        return guest

    def get(self, uuid: str) -> FakeGuest | None:
        return self._guests.get(uuid)

    def all(self) -> list[FakeGuest]:
        return list(self._guests.values())

    def _apply(self, line: bytes) -> None:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        if uuid := record.get("gone"):
            self._guests.pop(uuid, None)
        else:
            self._guests[record["uuid"]] = FakeGuest(**record)

    def _append(self, line: bytes) -> None:
        if self._descriptor < 0:
            raise errors.Unavailable("The fake driver is not started.")
        os.write(self._descriptor, line)
        self._lines += 1
        if self._lines > COMPACT_AFTER + 2 * len(self._guests):
            self._compact()

    def _compact(self) -> None:
        lines = [orjson.dumps(g, option=orjson.OPT_APPEND_NEWLINE) for g in self._guests.values()]
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_bytes(b"".join(lines))
        self.close()
        draft.replace(self._path)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._lines = len(lines)
