# SPDX-License-Identifier: Apache-2.0
"""The protocol between the engine and whatever keeps the rows: a database, or a conductor over RPC."""

from __future__ import annotations

from typing import Any, Protocol

from nova.workflow.model import Row


class Journal(Protocol):
    """Every method is one transaction, conditional on the row's epoch; ``errors.Stale`` when that is over.

    ``effect`` is what the step's own journal understands (a function of the transaction, or changes as data) and takes
    place in the same transaction. ``event`` is a finished step for the operation's history. The step data that was
    stored is returned.
    """

    def advance(self, row: Row, *, step: str, data: dict[str, Any], effect: Any, event: dict[str, Any] | None,
                state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        """Record that the row now stands at ``step``; the caller stays its owner."""

    def hand(self, row: Row, *, level: str, host: str | None, step: str, data: dict[str, Any], effect: Any,
             event: dict[str, Any] | None, state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the row to another level: nobody owns it, and it is due at once."""

    def finish(self, row: Row, *, state: str, data: dict[str, Any], effect: Any, event: dict[str, Any] | None,
               fault: dict[str, Any] | None = None) -> dict[str, Any]:
        """Close the row: ``done``, ``failed`` or ``moved``."""

    def release(self, row: Row, *, delay: float) -> None:
        """Let go of a row that cannot be moved now; it is due again after ``delay`` seconds."""
