# SPDX-License-Identifier: Apache-2.0
"""``/healthz``, ``/readyz`` and ``/metrics``: is the process alive, can it serve, what has it done."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson

from nova import concurrency, errors
from nova.web.metrics import Metrics
from nova.web.reply import Answer

#: A named check raises when what it looks at cannot be used, e.g. ``{"database": database.check}``.
Checks = Mapping[str, Callable[[], None]]

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_REMEMBER = 1.0


class Health:
    """Answers the three paths. The outcome of the checks is remembered for a second, so that probes cost nothing."""

    def __init__(self, checks: Checks | None = None, metrics: Metrics | None = None) -> None:
        self._checks = dict(checks or {})
        self.metrics = metrics or Metrics()
        self._last: tuple[float, dict[str, str]] | None = None

    def answer(self, path: str) -> Answer:
        if path == "/metrics":
            return _answer(200, self.metrics.exposition(), "text/plain; version=0.0.4; charset=utf-8")
        if path == "/healthz":
            return _answer(200, orjson.dumps({"status": "ok"}))
        results = self._run()
        ready = all(outcome == "ok" for outcome in results.values())
        body = orjson.dumps({"status": "ok" if ready else "unavailable", "checks": results})
        return _answer(200 if ready else 503, body)

    def _run(self) -> dict[str, str]:
        now = concurrency.monotonic()
        if self._last is None or now - self._last[0] > _REMEMBER:
            self._last = (now, {name: _outcome(check) for name, check in self._checks.items()})
        return self._last[1]


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except errors.NovaError as e:
        return e.message
    except Exception as e:  # a check of a library may raise anything; the probe must still answer
        return type(e).__name__
    return "ok"


def _answer(status: int, body: bytes, content_type: str = "application/json") -> Answer:
    return Answer(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))], [body])
