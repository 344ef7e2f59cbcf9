# SPDX-License-Identifier: Apache-2.0
"""The table of operations × implemented × tested × documented, from what the tests of this run have asked and got.

An operation counts as tested when a test of its own, not one that walks all routes, got a success through it, or the
refusal that ``refused.tsv`` names with the ability that is missing. Whatever is gone must have been seen to be gone.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from nova.web.routing import Router

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
Key = tuple[str, str, str]
#: (operation, microversion, status)
Record = tuple[Key, str, int]
#: These ask every route the same; what they get proves nothing about what an operation does.
WALKERS = ("test_routes.py::test_strangers", "test_routes.py::test_readers", "test_routes.py::test_nonsense",
           "test_routes.py::test_odd", "test_matrix.py", "tests/fuzz/")
#: Paths of our own that look like those of the table.
OWN_PATHS = ("/servers/events", "/os-placement-explain", "/os-host-drains", "/os-host-drains/{id}")

RECORDS: set[Record] = set()


def shape(path: str) -> str:
    return re.sub(r"{[^}]+}", "{}", path)


@functools.cache
def operations() -> list[dict[str, str]]:
    with (HERE / "compute" / "operations.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@functools.cache
def refused() -> dict[Key, str]:
    """Operations that this cloud refuses, with the ability that a host or the cloud would have to declare."""
    with (HERE / "refused.tsv").open(newline="") as file:
        found = {(row["method"], shape(row["path"]), row["action"]): row["lacks"]
                 for row in csv.DictReader(file, delimiter="\t")}
    second = {(method, path.replace("/servers", "/os-volumes_boot"), action): lacks
              for (method, path, action), lacks in found.items()}
    return {(row["method"], shape(row["path"]), row["action"]): (found | second)[key] for row in operations()
            if (key := (row["method"], shape(row["path"]), row["action"])) in found | second}


@functools.cache
def _router() -> Router[str]:
    return Router((path, path) for path in {row["path"] for row in operations()} | set(OWN_PATHS))


def record(method: str, path: str, body: Any, raw: bytes | None, version: str | None, status: int) -> None:
    """Called by the client of the tests for each answer of ``/v2.1``."""
    if any(walker in os.environ.get("PYTEST_CURRENT_TEST", "") for walker in WALKERS):
        return
    found = _router().match(path)
    if found is None:
        project, _, rest = path.strip("/").partition("/")
        found = _router().match("/" + rest) if project and rest else None
    if found is None or found[0] in OWN_PATHS:
        return
    action = ""
    if found[0].endswith("/action"):
        named = _json(raw) if raw is not None else body
        action = next(iter(named)) if isinstance(named, dict) and len(named) == 1 else "?"
    RECORDS.add(((method, shape(found[0]), action), version or "2.1", status))


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


@dataclasses.dataclass(frozen=True)
class Line:
    """One operation."""

    key: Key
    implemented: str
    tested: str
    documented: str
    versions: str

    @property
    def whole(self) -> bool:
        return "no" not in (self.implemented, self.tested, self.documented)


def table(records: Iterable[Record], documented: set[Key]) -> list[Line]:
    by_operation: dict[Key, list[tuple[str, int]]] = {}
    for key, version, status in records:
        by_operation.setdefault(key, []).append((version, status))
    return [_line(row, by_operation, documented) for row in operations()]


def _line(row: dict[str, str], records: dict[Key, list[tuple[str, int]]], documented: set[Key]) -> Line:
    key = row["method"], shape(row["path"]), row["action"]
    seen = records.get(key, [])
    statuses = {status for _, status in seen}
    versions = sorted({version for version, _ in seen}, key=lambda v: [int(n) for n in v.split(".") if n.isdigit()])
    if row["status"] == "410":
        implemented, tested = "gone", "410" if 410 in statuses else "no"
    elif succeeded := sorted(s for s in statuses if s < 300):
        implemented, tested = "yes", ", ".join(map(str, succeeded))
    elif key in refused():
        implemented, tested = f"refused: {refused()[key]}", ", ".join(map(str, sorted(statuses))) or "no"
    else:
        implemented, tested = "yes", "no"
    return Line(key, implemented, tested, "yes" if key in documented else "no", " ".join(versions))


def stale(lines: Iterable[Line]) -> list[Key]:
    """Operations that ``refused.tsv`` calls refused and that work by now."""
    return [line.key for line in lines if line.key in refused() and line.implemented == "yes"]


def write(lines: list[Line], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file, delimiter="\t", lineterminator="\n")
        out.writerow(["method", "path", "action", "implemented", "tested", "documented", "microversions"])
        out.writerows([*line.key, line.implemented, line.tested, line.documented, line.versions] for line in lines)


def documented() -> set[Key]:
    """What the API reference shows: the routes of the fronts whose tables its page includes."""
    import sys

    sys.path.insert(0, str(ROOT / "doc" / "ext"))
    try:
        from nova_docs import routes
    finally:
        sys.path.remove(str(ROOT / "doc" / "ext"))
    page = (ROOT / "doc" / "source" / "user" / "api.rst").read_text()
    shown = re.findall(r"^\.\. nova-routes:: (\S+)$", page, re.M)
    return {(route.method, shape(route.path), route.action or "") for prefix, front in routes.served()[0].items()
            if prefix in shown and prefix.startswith("/compute") for route in front.routes if route.doc}
