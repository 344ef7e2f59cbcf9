# SPDX-License-Identifier: Apache-2.0
"""Plays the chosen cases in the background, on as few clouds as possible; each test waits for its own. At the end the
table of process × step is printed, and kept for ``python -m tests.crash --results``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from tests.crash import results
from tests.crash.play import Outcome
from tests.crash.run import Item, Runner

_ROWS = pytest.StashKey[list[results.Row]]()
_WIDTH = 160


@pytest.fixture(scope="session")
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [spec.params["item"] for spec in parameters if spec and "item" in spec.params]
    running = Runner(chosen)
    yield running
    running.close()


@pytest.fixture
def outcome(runner: Runner, request: pytest.FixtureRequest) -> Callable[[Item], Outcome]:
    """How a case ends, once it was its turn."""
    rows = request.config.stash.setdefault(_ROWS, [])

    def wait(item: Item) -> Outcome:
        ended = None
        try:
            ended = runner.outcome(item)
            return ended
        finally:
            rows.append(results.played(item, ended))

    return wait


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows:
        if config.cache is not None:
            config.cache.set(results.KEPT, rows)
        console = Console(width=_WIDTH)
        with console.capture() as captured:
            console.print(results.tables(rows))
        terminalreporter.write_line(captured.get())
