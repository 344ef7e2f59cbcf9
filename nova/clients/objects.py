# SPDX-License-Identifier: Apache-2.0
"""Translation of objects that are newer than this process: the cell's conductor knows them and their older forms."""

from __future__ import annotations

from typing import Any

import orjson

from nova.context import service_context

TOPIC, NAMESPACE = "conductor", "objects"


class ObjectsClient:
    def __init__(self, bus: Any, *, timeout: float = 30.0) -> None:
        self._bus, self._timeout = bus, timeout

    def backport(self, primitive: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
        """``primitive`` as a process that knows ``versions`` (name → version) can read it. It travels as text: neither
        bus takes it for an object."""
        text = self._bus.call(service_context(), TOPIC, "backport", namespace=NAMESPACE, timeout=self._timeout,
                              args={"text": orjson.dumps(primitive).decode(), "versions": versions})
        older: dict[str, Any] = orjson.loads(text)
        return older
