# SPDX-License-Identifier: Apache-2.0
"""A server that takes requests from a listener: what has waited for longer than its caller does is not begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import concurrency
from nova.rpc.bus import OsloServer

WAITS = 0.05


class Listener:
    """Hands on what it is given."""

    def start(self, incoming: Callable[[list[Any]], None]) -> None:
        self.give = incoming

    def stop(self) -> None:
        return None

    cleanup = stop


class Message:
    """A request as a driver delivers it; ``word`` is all that it says."""

    def __init__(self, word: str, waits: float | None = None) -> None:
        self.message = {"args": {"envelope": word} | ({} if waits is None else {"waits": waits})}
        self.answer: Any = None

    def acknowledge(self) -> None:
        return None

    def reply(self, answer: Any) -> None:
        self.answer = answer


class Dispatcher:
    """Does what it is told one after the other, and not before it is let."""

    def __init__(self) -> None:
        self.begun, self.go_on = concurrency.Event(), concurrency.Event()
        self.done: list[str] = []

    def dispatch(self, word: str) -> str:
        self.begun.set()
        assert self.go_on.wait(120)
        self.done.append(word)
        return word.upper()


def test_what_nobody_waits_for_any_longer_is_not_begun() -> None:
    """The caller has gone, or says it again: who has too much to do is not to do it for nobody."""
    listener, dispatcher = Listener(), Dispatcher()
    server = OsloServer(lambda: listener, dispatcher, 1, "test")  # type: ignore[arg-type]
    server.start()
    try:
        long, given_up, patient, cast = Message("long", WAITS), Message("given up", WAITS), Message("patient", 1e6), \
            Message("cast")
        listener.give([long])
        assert dispatcher.begun.wait(120)
        listener.give([given_up, patient, cast])
        concurrency.sleep(2 * WAITS)
        dispatcher.go_on.set()
    finally:
        server.stop()
        server.wait()
    assert dispatcher.done == ["long", "patient", "cast"]
    assert (long.answer, given_up.answer, patient.answer) == ("LONG", None, "PATIENT")
