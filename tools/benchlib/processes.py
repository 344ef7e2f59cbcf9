# SPDX-License-Identifier: Apache-2.0
"""What daemons cost, read from /proc: processor seconds and proportional memory. Linux only."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable

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
    """The processes to watch: given ids, and those whose command line matches a pattern, looked up at each reading."""

    def __init__(self, pids: Iterable[int] = (), patterns: Iterable[str] = (), proc: str = "/proc") -> None:
        self._pids = sorted(set(pids))
        self._patterns = [re.compile(p) for p in patterns]
        self._proc = pathlib.Path(proc)

    def __bool__(self) -> bool:
        return bool(self._pids or self._patterns)

    def pids(self) -> list[int]:
        found = {pid for pid in self._pids if (self._proc / str(pid)).exists()}
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


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """Processor seconds between two readings; a process that appeared counts from its start."""
    return sum(max(0.0, seconds - before.get(pid, 0.0)) for pid, seconds in after.items())
