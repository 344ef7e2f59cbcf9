# SPDX-License-Identifier: Apache-2.0
"""How the share of schemas and policy in a request is taken, and what is said of it."""

from __future__ import annotations

import time

import pytest

from tools.benchlib import share


def test_time_inside_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    watch = share.Stopwatch()
    inner = watch.around(lambda: "done")
    assert watch.around(lambda: inner())() == "done"
    assert (watch.read(), watch.read()) == (1.0, 0.0)
    for _ in range(2):
        inner()
    assert watch.read() == 2.0


def test_time_of_a_refusal_counts_too() -> None:
    def refuse() -> None:
        raise ValueError

    watch = share.Stopwatch()
    for _ in range(2):
        with pytest.raises(ValueError):
            watch.around(refuse)()
    assert watch.read() > 0


def test_a_share_that_is_too_large_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert share.show([("GET /a", 0.010, 0.0005), ("GET /b", 0.010, 0.001)]) == 0
    assert "7.5%" in capsys.readouterr().out
    assert share.show([("GET /a", 0.010, 0.0005), ("GET /b", 0.010, 0.002)]) == 1
    assert "20.0%" in capsys.readouterr().out


def test_every_request_is_of_the_server_that_is_there() -> None:
    asked = share.requests("SERVER", "IMAGE", "7")
    assert asked["GET /servers/ID"] == ("GET", "/servers/SERVER", None)
    assert asked["POST /servers"][2]["server"]["imageRef"] == "IMAGE"
