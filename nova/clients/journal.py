# SPDX-License-Identifier: Apache-2.0
"""The journal of a host's runner: records over the Store. An ``effect`` is a dict of changes of the server."""

from __future__ import annotations

from typing import Any

from nova.objects.store import Store
from nova.workflow import Row


class StoreJournal:
    """Implements :class:`nova.workflow.Journal`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _record(self, row: Row, kind: str, **values: Any) -> None:
        values["changes"] = values.pop("effect", None) or {}
        self._store.operation_record(row.uuid, row.epoch, {"kind": kind} | values)

    def advance(self, row: Row, *, step: str, data: dict[str, Any], effect: Any, event: dict[str, Any] | None,
                state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        self._record(row, "advance", step=step, data=data, effect=effect, event=event, state=state, fault=fault)
        return data

    def hand(self, row: Row, *, level: str, host: str | None, step: str, data: dict[str, Any], effect: Any,
             event: dict[str, Any] | None, state: str = "open", fault: dict[str, Any] | None = None) -> dict[str, Any]:
        self._record(row, "hand", level=level, host=host, step=step, data=data, effect=effect, event=event, state=state,
                     fault=fault)
        return data

    def finish(self, row: Row, *, state: str, data: dict[str, Any], effect: Any, event: dict[str, Any] | None,
               fault: dict[str, Any] | None = None) -> dict[str, Any]:
        self._record(row, "finish", state=state, data=data, effect=effect, event=event, fault=fault)
        return data

    def release(self, row: Row, *, delay: float) -> None:
        self._record(row, "release", delay=delay)
