# SPDX-License-Identifier: Apache-2.0
"""The import contract holds, and lists no exception."""

from __future__ import annotations

import re
from pathlib import Path

from importlinter.application.use_cases import lint_imports
from importlinter.configuration import configure

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / ".importlinter"


def test_upper_rows_import_lower_rows_only() -> None:
    configure()
    assert lint_imports(config_filename=str(CONTRACT), cache_dir=None)


def test_the_contract_lists_no_exception() -> None:
    assert not re.search(r"^(ignore_imports|unmatched)", CONTRACT.read_text(), re.M)


def test_every_package_stands_on_a_row() -> None:
    rows = CONTRACT.read_text().partition("layers =")[2].partition("[importlinter")[0]
    named = set(re.findall(r"\((\w+)\)", rows))
    packages = {p.stem for p in (ROOT / "nova").iterdir()
                if not p.name.startswith("_") and (p.suffix == ".py" or (p / "__init__.py").exists())}
    assert packages - named == set()
