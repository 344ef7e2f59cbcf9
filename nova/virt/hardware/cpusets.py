# SPDX-License-Identifier: Apache-2.0
"""Sets of processors as operators write them: ``0-3,^2,8``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nova import errors

_PART = re.compile(r"(\^?)(\d{1,5})(?:-(\d{1,5}))?")


def parse(text: str) -> frozenset[int]:
    """Numbers, ranges, and with ``^`` what is left out. Raises Invalid."""
    inside: set[int] = set()
    outside: set[int] = set()
    for part in text.replace(" ", "").split(","):
        if not part:
            continue
        match = _PART.fullmatch(part)
        if match is None:
            raise errors.Invalid(f"'{text}' is not a set of processors: '{part}' is neither a number nor a range.")
        first, last = int(match[2]), int(match[3] or match[2])
        if first > last:
            raise errors.Invalid(f"'{text}' is not a set of processors: '{part}' runs backwards.")
        (outside if match[1] else inside).update(range(first, last + 1))
    return frozenset(inside - outside)


def render(cpus: Iterable[int]) -> str:
    """The shortest way to write them."""
    parts: list[str] = []
    run: list[int] = []
    for cpu in [*sorted(set(cpus)), None]:
        if run and cpu != run[-1] + 1:
            parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
            run = []
        if cpu is not None:
            run.append(cpu)
    return ",".join(parts)
