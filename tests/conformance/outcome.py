# SPDX-License-Identifier: Apache-2.0
"""What came of the tests: reads stestr's stream of results and prints the summary."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import subunit
import testtools

from tests.conformance.selection import plain

#: How long a reason may be in the summary.
WIDTH = 140


@dataclasses.dataclass(frozen=True)
class Result:
    """``name`` is a test's, or that of a class or module whose set-up was skipped or failed."""

    name: str
    status: str
    told: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.status in ("success", "xfail")

    @property
    def skipped(self) -> bool:
        return self.status == "skip"

    @property
    def place(self) -> str:
        """The API that it tests: compute, identity, image."""
        name = re.search(r"\bapi\.(\w+)", self.name)
        return name[1] if name else "?"


def read(file: Path) -> list[Result]:
    results: list[Result] = []

    def add(test: Mapping[str, Any]) -> None:
        if test["status"] == "exists" or test["id"] is None:
            return
        told = "".join(content.as_text() for name, content in test["details"].items()
                       if name == "reason" or name.startswith("traceback"))
        began, ended = (*test["timestamps"], None, None)[:2]
        took = (ended - began).total_seconds() if began and ended else 0.0
        results.append(Result(test["id"], test["status"], told.strip(), took))

    stream = testtools.StreamToDict(add)
    stream.startTestRun()
    with file.open("rb") as content:
        subunit.ByteStreamToStreamResult(content, non_subunit_name="noise").run(stream)
    stream.stopTestRun()
    return [result for result in results if result.name != "noise"]


def failures(results: Iterable[Result]) -> list[Result]:
    return [result for result in results if not result.passed and not result.skipped]


def show(results: list[Result], excluded: Mapping[str, str], *, verbose: bool = True) -> None:
    """The failures in full, then why tests did not run, then the numbers."""
    wrong = failures(results)
    for result in wrong if verbose else ():
        print(f"\nFAILED {plain(result.name)}\n{result.told}")
    skipped = Counter(_line(result.told) for result in results if result.skipped)
    _reasons("tempest skips, because of what the cloud declares:", skipped)
    _reasons("selection.yaml excludes:", Counter(excluded.values()))
    if wrong:
        print("\nfailed:")
        for result in wrong:
            print(f"  {plain(result.name)}: {_last(result.told)}")
    print(f"\n{'':12}{'passed':>8}{'failed':>8}{'skipped':>8}{'excluded':>10}")
    left_out = Counter(Result(name, "", "", 0).place for name in excluded)
    for place in sorted({result.place for result in results} | set(left_out)):
        _numbers(place, [result for result in results if result.place == place], left_out[place])
    _numbers("all", results, len(excluded))
    sys.stdout.flush()


def _numbers(title: str, results: list[Result], excluded: int) -> None:
    passed, failed = sum(result.passed for result in results), len(failures(results))
    print(f"{title:12}{passed:8}{failed:8}{sum(result.skipped for result in results):8}{excluded:10}")


def _reasons(title: str, reasons: Counter[str]) -> None:
    if reasons:
        print(f"\n{title}")
        for reason, count in reasons.most_common():
            print(f"  {count:4}  {reason}")


def _line(text: str) -> str:
    return " ".join(text.split())[:WIDTH]


def _last(told: str) -> str:
    """What a traceback ends with: the exception and its details, without tempest's log of requests."""
    lines = [line for line in told.splitlines() if line.strip()]
    start = max((i for i, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception|[a-z])(:|$)", line)), default=0)
    return _line(" ".join(lines[start:start + 2])) if lines else ""
