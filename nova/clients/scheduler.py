# SPDX-License-Identifier: Apache-2.0
"""The scheduler: where should these servers go."""

from __future__ import annotations

from typing import Any

from nova.clients.asking import ask
from nova.context import RequestContext

TOPIC, NAMESPACE = "scheduler", "scheduler"


class SchedulerClient:
    def __init__(self, bus: Any, *, timeout: float = 10.0) -> None:
        self._bus, self._timeout = bus, timeout

    def select(self, context: RequestContext, specs: list[dict[str, Any]], fresh: bool = False) -> list[dict[str, Any]]:
        """One decision per spec: {"selected": host or None, "ranked": [hosts], "reasons", "considered", "message"}.
        ``fresh`` asks the scheduler to look at the database again first. It claims nothing: asked twice, it counts what
        it chose twice until it looks at the database."""
        decisions: list[dict[str, Any]] = ask(self._bus, context, TOPIC, "select", namespace=NAMESPACE,
                                              args={"specs": specs, "fresh": fresh})
        return decisions

    def outdate(self, context: RequestContext) -> None:
        """Tell every scheduler that hosts, or what they belong to, were changed by an operator."""
        self._bus.cast(context, TOPIC, "outdate", namespace=NAMESPACE, fanout=True, args={})

    def explain(self, context: RequestContext, spec: dict[str, Any], count: int) -> dict[str, Any]:
        """What ``select`` would answer for ``count`` servers of a spec, from a fresh view; nothing is counted.

        {"asked", "placed", "first": decision, "refusal": the decision that found no host, or None}; see the manager.
        """
        told: dict[str, Any] = self._bus.call(context, TOPIC, "explain", namespace=NAMESPACE, timeout=self._timeout,
                                              args={"spec": spec, "count": count})
        return told
