# SPDX-License-Identifier: Apache-2.0
"""After tests of drivers: the table of operations and drivers. Workers of pytest-xdist hand over what they have called.
"""

from __future__ import annotations

import pytest
from rich.console import Console

from tests.contract.drivers import table


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.when == "call":
        item.user_properties.append((table.CALLS, table.taken()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of operations and drivers, if these tests were among those that ran."""
    told = [value for report in terminalreporter.stats.get("passed", ()) if report.when == "call"
            for name, value in report.user_properties if name == table.CALLS]
    calls = {call for some in told for call in some}
    if calls:
        offered = {name: table.offered(name) for name in table.DRIVERS}
        console = Console(width=140)
        with console.capture() as captured:
            console.print(table.table(table.rows(offered, calls)))
        terminalreporter.write_line(captured.get())
