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

import click
from rich.console import Console

from tests.crash import cases, results
from tests.crash.run import Item, Runner, groups
from tests.services import session

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "v" / results.KEPT
FORMS = click.Choice(["table", "json"])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--table", "output", type=FORMS, is_flag=False, flag_value="table", default="table",
              help="Print the cases, for people or for programs.")
@click.option("--results", "kept", type=FORMS, is_flag=False, flag_value="table",
              help="Print how the cases of the last 'tools/test.sh crash' ended.")
@click.option("--run", "play", is_flag=True, help="Play the cases now, and print how they ended.")
@click.option("--full", is_flag=True, help="With --run: every case on every database, not only on PostgreSQL.")
@click.option("--only", metavar="TEXT", multiple=True, help="With --run: only cases whose name has all these texts.")
@click.option("--side-by-side", default=2, show_default=True, help="How many clouds run at the same time.")
def main(output: str, kept: str | None, play: bool, full: bool, only: tuple[str, ...], side_by_side: int) -> None:
    """The crash cases: process × step × moment → outcome."""
    if kept is not None:
        show(_last(), kept)
        return
    if not play:
        show([case.row() for case in cases.all_cases()], output)
        return
    began = time.monotonic()
    rows, failures = run([Item(group, case) for group in groups(full=full) for case in group.cases
                          if all(text in Item(group, case).name for text in only)], side_by_side)
    show(rows, output)
    print(f"{len(rows)} cases, {len(failures)} failed, {time.monotonic() - began:.0f} s", file=sys.stderr)
    raise SystemExit(1 if failures else 0)


def _last() -> list[results.Row]:
    try:
        rows: list[results.Row] = json.loads(CACHE.read_text())
    except FileNotFoundError:
        raise click.ClickException("there are no results; 'tools/test.sh crash' makes them") from None
    return rows


def run(items: list[Item], side_by_side: int) -> tuple[list[results.Row], list[str]]:
    directory = Path(tempfile.mkdtemp(prefix="nova-session-"))
    session.begin(directory)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = Runner(items, side_by_side=side_by_side)
    rows, failures = [], []
    try:
        for item in items:
            outcome = None
            try:
                outcome = runner.outcome(item)
            except Exception as e:
                failures.append(f"{item.name}: {e}")
            row = results.played(item, outcome)
            rows.append(row)
            moved = "" if row["moving again after"] is None else f"{row['moving again after']:.1f} s after {row['of']}"
            print(f"{item.name}: {row['ended']} {moved}" if outcome else failures[-1], file=sys.stderr, flush=True)
    finally:
        runner.close()
        session.end(directory)
        shutil.rmtree(directory, ignore_errors=True)
    return rows, failures


def show(rows: list[results.Row], output: str) -> None:
    if output == "json":
        print(json.dumps(rows, indent=1))
        return
    Console(width=None if sys.stdout.isatty() else 160).print(results.tables(rows))


if __name__ == "__main__":
    main()
