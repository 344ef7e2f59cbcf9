# SPDX-License-Identifier: Apache-2.0
"""What daemons cost, read from /proc: processor seconds and proportional memory. Linux only."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable, Mapping

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Usage:
    """Processor seconds and PSS in bytes, by process id."""

    cpu: dict[int, float]
    pss: dict[int, int]

    def memory(self) -> int:
        return sum(self.pss.values())

    def largest(self) -> int:
        return max(self.pss.values(), default=0)


class Daemons:
    """The processes to watch: given ids, those whose command line matches a pattern, and by name trees: a process with
    all that descend from it. They are looked up at each reading."""

    def __init__(self, pids: Iterable[int] = (), patterns: Iterable[str] = (), proc: str = "/proc",
                 trees: Mapping[str, int] | None = None) -> None:
        self._pids = sorted(set(pids))
        self._patterns = [re.compile(p) for p in patterns]
        self._proc = pathlib.Path(proc)
        self._trees = dict(trees or {})
        #: The parents of all processes that were ever counted.
        self.parents: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._pids or self._patterns or self._trees)

    @property
    def names(self) -> list[str]:
        return list(self._trees)

    def only(self, name: str) -> Daemons:
        """One tree by itself."""
        return Daemons(proc=str(self._proc), trees={name: self._trees[name]})

    def _descend(self) -> set[int]:
        parents = {int(entry.name): parent for entry in self._proc.iterdir()
                   if entry.name.isdigit() and (parent := self._parent_of(int(entry.name))) is not None}
        found = {pid for pid in self._trees.values() if pid in parents}
        while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
            found |= more
        self.parents |= {pid: parents[pid] for pid in found}
        return found

    def _parent_of(self, pid: int) -> int | None:
        try:
            return int((self._proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            return None

    def pids(self) -> list[int]:
        found = {pid for pid in self._pids if (self._proc / str(pid)).exists()}
        if self._trees:
            found |= self._descend()
        if self._patterns:
            mine = os.getpid()
            for entry in self._proc.iterdir():
                if entry.name.isdigit() and int(entry.name) != mine and self._matches(entry):
                    found.add(int(entry.name))
        return sorted(found)

    def _matches(self, entry: pathlib.Path) -> bool:
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False  # it ended meanwhile, or is not ours to read
        return any(p.search(line) for p in self._patterns)

    def cpu(self) -> dict[int, float]:
        """Processor seconds so far, its own and those of children it has waited for."""
        return {pid: seconds for pid in self.pids() if (seconds := self._cpu_of(pid)) is not None}

    def _cpu_of(self, pid: int) -> float | None:
        try:
            text = (self._proc / str(pid) / "stat").read_text()
        except OSError:
            return None
        fields = text.rpartition(")")[2].split()
        return sum(int(fields[i]) for i in (11, 12, 13, 14)) / _TICKS

    def usage(self) -> Usage:
        pids = self.pids()
        pss = {pid: size for pid in pids if (size := self._pss_of(pid)) is not None}
        return Usage(self.cpu(), pss)

    def _pss_of(self, pid: int) -> int | None:
        try:
            text = (self._proc / str(pid) / "smaps_rollup").read_text()
        except OSError:
            return None
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        return int(found.group(1)) * 1024 if found else None


def spent(before: dict[int, float], after: dict[int, float], parents: Mapping[int, int] | None = None) -> float:
    """Processor seconds between two readings; a process that appeared counts from its start. One that ended stands in
    the figures of its parent from then on, with what it had spent before."""
    known = parents or {}
    ended = sum(seconds for pid, seconds in before.items() if pid not in after and known.get(pid) in after)
    return max(0.0, sum(max(0.0, seconds - before.get(pid, 0.0)) for pid, seconds in after.items()) - ended)


@dataclasses.dataclass
class Meter:
    """What the watched processes spend from its making on, in all and by tree."""

    daemons: Daemons

    def __post_init__(self) -> None:
        self._parts = [self.daemons.only(name) for name in self.daemons.names]
        self._before = [part.cpu() for part in (self.daemons, *self._parts)]

    def read(self, operations: int) -> tuple[float, str]:
        """Processor seconds of each operation, and how they divide."""
        figures = [spent(before, part.cpu(), part.parents) / max(1, operations)
                   for part, before in zip((self.daemons, *self._parts), self._before, strict=True)]
        return figures[0], ", ".join(f"{name} {value:.3f}" for name, value
                                     in zip(self.daemons.names, figures[1:], strict=True))
