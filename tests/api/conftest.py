# SPDX-License-Identifier: Apache-2.0
"""After a run of all tests of the Compute API, the table of its operations: printed, kept, and a failure where it has
holes. Workers of pytest-xdist hand over what they have seen.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.api import coverage

TABLE = coverage.ROOT / "doc" / "build" / "api-coverage.tsv"
_SUMMARY: list[str] = []


def pytest_testnodedown(node: Any) -> None:
    found = getattr(node, "workeroutput", {}).get("api_records", ())
    coverage.RECORDS.update((tuple(key), version, status) for key, version, status in found)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput"):
        config.workeroutput["api_records"] = [  # type: ignore[attr-defined]
            [list(key), version, status] for key, version, status in coverage.RECORDS]
        return
    if not _whole(session):
        return
    lines = coverage.table(coverage.RECORDS, coverage.documented())
    coverage.write(lines, TABLE)
    kinds = Counter(line.implemented.partition(":")[0] for line in lines)
    _SUMMARY.append(
        f"{len(lines)} operations: {len(lines) - kinds['no']} implemented ({kinds['yes']} work, {kinds['refused']} are "
        f"refused for a missing ability, {kinds['gone']} are gone), {sum(line.tested != 'no' for line in lines)} "
        f"tested, {sum(line.documented != 'no' for line in lines)} documented; see {TABLE.relative_to(coverage.ROOT)}")
    _SUMMARY.extend(f"hole: {line}" for line in lines if not line.whole)
    _SUMMARY.extend(f"works, but stands in refused.tsv: {key}" for key in coverage.stale(lines))
    if len(_SUMMARY) > 1 and session.exitstatus == 0:
        session.exitstatus = 1


def _whole(session: pytest.Session) -> bool:
    """Whether all tests of the Compute API were to run, and did."""
    option, here = session.config.option, Path(__file__).parent / "compute"
    asked = [Path(argument.partition("::")[0]).resolve() for argument in session.config.args if "::" not in argument]
    return (any(here == path or path in here.parents for path in asked) and not option.keyword
            and session.exitstatus in (0, 1) and not session.shouldstop and not session.shouldfail)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _SUMMARY:
        terminalreporter.section("operations of the Compute API")
        for line in _SUMMARY:
            terminalreporter.write_line(line)
