# SPDX-License-Identifier: Apache-2.0
"""What the package imports is what it declares, and everything concurrent goes through the seam."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "nova").rglob("*.py"))
#: Distributions of the extras.
EXTRAS = {"libvirt-python", "psycopg", "psycopg-binary", "pymysql", "keystonemiddleware"}
#: What only nova.concurrency may use, or nobody at all.
SEAM = {"threading", "eventlet", "greenlet", "asyncio", "multiprocessing", "concurrent", "random", "uuid"}
FORBIDDEN = {("time", "sleep"), ("time", "time"), ("time", "monotonic"), ("queue", "Queue"), ("queue", "SimpleQueue"),
             ("os", "system"), ("os", "popen")}


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node.lineno


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_imported_distribution_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {_normal(re.split(r"[\[<>=; ]", d)[0]) for d in project["dependencies"]} | EXTRAS
    providers = metadata.packages_distributions()
    missing = {}
    for path in SOURCES:
        for name, line in _imports(path):
            if name == "nova" or name in sys.stdlib_module_names:
                continue
            if not {_normal(d) for d in providers.get(name, [])} & declared and name not in ("libvirt", "libvirt_qemu"):
                missing[name] = f"{path.relative_to(ROOT)}:{line}"
    assert missing == {}


def test_concurrency_goes_through_the_seam() -> None:
    found = []
    for path in SOURCES:
        if path.is_relative_to(ROOT / "nova" / "concurrency"):
            continue
        where = path.relative_to(ROOT)
        found += [f"{where}:{line}: import {name}" for name, line in _imports(path) if name in SEAM]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if (node.value.id, node.attr) in FORBIDDEN:
                    found.append(f"{where}:{node.lineno}: {node.value.id}.{node.attr}")
    assert found == []
