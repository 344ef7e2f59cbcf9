# SPDX-License-Identifier: Apache-2.0
"""Traps in a directory: the test sets them, daemons run into them at a checkpoint. Both sides of that agreement.

A trap is a file named after the checkpoint. What it says happens in the process that passes there:

    kill self        the process ends by SIGKILL, once (so the one that is started in its place passes)
    kill NAME        the process of that name ends by SIGKILL, once, and is dead when the passage goes on
    hold             the passage waits as long as the trap is set
    fail first       the host that comes first fails there, now and ever; other hosts pass
    fail all         every host fails there
"""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import threading
import time
from pathlib import Path

from nova import errors

_KEPT = ("step:", "undo:")


@dataclasses.dataclass(frozen=True)
class Passage:
    """A step's checkpoint that a process has passed; ``at`` is by the clock that all processes share."""

    at: float
    process: str
    label: str


class Traps:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._armed, self._fired, self._pids = (directory / n for n in ("armed", "fired", "pids"))
        self._log = directory / "passages"

    def create(self) -> None:
        for path in (self._armed, self._fired, self._pids):
            path.mkdir(parents=True, exist_ok=True)
        self._log.touch()

    # -- the test's side -----------------------------------------------------------------------------------------------

    def arm(self, label: str, what: str) -> None:
        (self._fired / label).unlink(missing_ok=True)
        draft = self._armed / f".{label}"
        draft.write_text(what)
        draft.rename(self._armed / label)

    def disarm(self, label: str) -> None:
        (self._armed / label).unlink(missing_ok=True)

    def clear(self) -> None:
        for path in (*self._armed.iterdir(), *self._fired.iterdir()):
            path.unlink()

    def fired(self, label: str) -> Passage | None:
        """Who ran into the trap, and when; None as long as nobody has."""
        try:
            at, process = (self._fired / label).read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return Passage(float(at), process, label)

    def register(self, name: str, pid: int) -> None:
        """Where ``kill NAME`` finds its process."""
        (self._pids / name).write_text(str(pid))

    def passages(self, since: float) -> list[Passage]:
        """The steps' checkpoints that were passed after ``since``, in order."""
        lines = (line.split() for line in self._log.read_text().splitlines())
        return [Passage(float(at), process, label) for at, process, label in lines if float(at) > since]

    # -- the daemon's side ---------------------------------------------------------------------------------------------

    def meet(self, process: str, label: str) -> None:
        """What a daemon does at each of its checkpoints."""
        if label.startswith(_KEPT):
            with self._log.open("a") as log:
                log.write(f"{time.monotonic()} {process} {label}\n")
        trap = self._armed / label
        try:
            verb, _, target = trap.read_text().partition(" ")
        except FileNotFoundError:
            return
        if verb == "kill":
            self._kill(process, label, trap, target)
        elif verb == "hold":
            self._mark(process, label)
            while trap.exists():
                time.sleep(0.01)
        elif verb == "fail":
            self._fail(label, target)

    def _kill(self, process: str, label: str, trap: Path, target: str) -> None:
        try:
            trap.rename(self._fired / f".{label}")
        except FileNotFoundError:
            return  # another process was here at the same moment
        pid = os.getpid() if target == "self" else int((self._pids / target).read_text())
        descriptor = os.pidfd_open(pid)
        self._mark(process, label)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], 60)
        os.close(descriptor)

    def _mark(self, process: str, label: str) -> None:
        draft = self._fired / f".{label}.{process}"
        draft.write_text(f"{time.monotonic()} {process}")
        draft.rename(self._fired / label)

    def _fail(self, label: str, target: str) -> None:
        mine, host = self._fired / label, _host()
        if target == "first":
            try:
                with mine.open("x") as claim:
                    claim.write(f"{time.monotonic()} {host}")
            except FileExistsError:
                if mine.read_text().split()[-1:] != [host]:
                    return
        raise errors.HostFailure(f"{host} was told to fail at {label}.")


def _host() -> str:
    """Whose work this is, also where hosts share a process: the workers of each have its name."""
    return threading.current_thread().name.rpartition("-")[0]
