# SPDX-License-Identifier: Apache-2.0
"""Counters and histograms of requests, per route template; never per path, which would be without bound."""

from __future__ import annotations

from typing import Any

import prometheus_client

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The request metrics of all fronts of a process, in one registry."""

    def __init__(self, registry: prometheus_client.CollectorRegistry | None = None) -> None:
        self.registry = registry or prometheus_client.CollectorRegistry()
        self._seconds = prometheus_client.Histogram(
            "nova_http_request_seconds", "Time from request to answer", ("api", "method", "route"),
            buckets=_BUCKETS, registry=self.registry)
        self._answers = prometheus_client.Counter(
            "nova_http_requests", "Answers by status", ("api", "method", "route", "status"), registry=self.registry)
        self._timers: dict[tuple[str, str, str], Any] = {}
        self._counters: dict[tuple[str, str, str, int], Any] = {}

    def observe(self, api: str, method: str, route: str, status: int, seconds: float) -> None:
        timer = self._timers.get((api, method, route))
        if timer is None:
            timer = self._timers[api, method, route] = self._seconds.labels(api, method, route)
        counter = self._counters.get((api, method, route, status))
        if counter is None:
            counter = self._counters[api, method, route, status] = self._answers.labels(api, method, route, str(status))
        timer.observe(seconds)
        counter.inc()

    def exposition(self) -> bytes:
        """The registry in the text format of Prometheus."""
        return prometheus_client.generate_latest(self.registry)
