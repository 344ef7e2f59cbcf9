# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.crash``: the table of cases; with ``--run`` they are played, and the table tells how each ended."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.crash import cases
from tests.crash.run import Item, Runner, groups
from tests.services import session


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--table", "output", type=click.Choice(["table", "json"]), default="table", help="How it is printed.")
@click.option("--run", "play", is_flag=True, help="Play the cases.")
@click.option("--full", is_flag=True, help="With --run: every case on every database, not only on PostgreSQL.")
@click.option("--only", metavar="TEXT", multiple=True, help="With --run: only cases whose name has all these texts.")
@click.option("--side-by-side", default=2, show_default=True, help="How many clouds run at the same time.")
def main(output: str, play: bool, full: bool, only: tuple[str, ...], side_by_side: int) -> None:
    """The crash cases: process × step × moment → outcome."""
    if not play:
        show([case.row() for case in cases.cases() + cases.standalone_cases()], output)
        return
    began = time.monotonic()
    rows, failures = run([Item(group, case) for group in groups(full=full) for case in group.cases
                          if all(text in Item(group, case).name for text in only)], side_by_side)
    show(rows, output)
    print(f"{len(rows)} cases, {len(failures)} failed, {time.monotonic() - began:.0f} s", file=sys.stderr)
    raise SystemExit(1 if failures else 0)


def run(items: list[Item], side_by_side: int) -> tuple[list[dict[str, Any]], list[str]]:
    directory = Path(tempfile.mkdtemp(prefix="nova-session-"))
    session.begin(directory)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = Runner(items, side_by_side=side_by_side)
    rows, failures = [], []
    try:
        for item in items:
            row: dict[str, Any] = {"cloud": item.group.name} | item.case.row()
            try:
                outcome = runner.outcome(item)
                moved = "" if outcome.moved is None else f"{outcome.moved:.1f} after {outcome.since}"
                row |= {"ended": outcome.ended, "moving again (s)": moved, "settled (s)": f"{outcome.settled:.1f}"}
            except Exception as e:
                row |= {"ended": "FAILED", "moving again (s)": "", "settled (s)": ""}
                failures.append(f"{item.name}: {e}")
            rows.append(row)
            told = f"{item.name}: {row['ended']} {row['moving again (s)']}"
            print(failures[-1] if row["ended"] == "FAILED" else told, file=sys.stderr, flush=True)
    finally:
        runner.close()
        session.end(directory)
        shutil.rmtree(directory, ignore_errors=True)
    return rows, failures


def show(rows: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        print(json.dumps(rows, indent=1))
        return
    table = Table(*(rows[0] if rows else ()), title=f"{len(rows)} crash cases")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    main()
