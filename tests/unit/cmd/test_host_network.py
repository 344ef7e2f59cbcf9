# SPDX-License-Identifier: Apache-2.0
"""How nova-compute asks nova-network over the bus: what is begun ahead comes before what is asked for next."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency, errors
from nova.cmd.wiring.host import RemoteNetworking

VIFS = [{"id": "a port"}]


class Bus:
    """Answers the first unplug when it is let."""

    def __init__(self, error: errors.NovaError | None = None) -> None:
        self.done: list[tuple[str, str]] = []
        self.asked, self.let = concurrency.Event(), concurrency.Event()
        self._error = error

    def call(self, context: Any, topic: str, method: str, *, args: dict[str, Any], **options: Any) -> None:
        if not self.asked.is_set():
            self.asked.set()
            assert self.let.wait(30)
            if self._error is not None:
                raise self._error
        self.done.append((method, args["instance_uuid"]))


@pytest.mark.parametrize("following", ["plug", "unplug", "pull", "unplug_ahead"])
def test_what_is_begun_ahead_comes_first(following: str) -> None:
    bus = Bus()
    networking = RemoteNetworking(bus, "host")
    networking.unplug_ahead("server", VIFS)
    assert bus.asked.wait(30) and not bus.done
    task = concurrency.spawn(getattr(networking, following), "server", VIFS)
    networking.plug("another", VIFS)
    assert bus.done == [("plug", "another")]
    bus.let.set()
    task.join()
    networking.unplug("server", [])  # waits, and has nothing to do
    assert bus.done[1:] == [("unplug", "server"), (following.removesuffix("_ahead"), "server")]


def test_what_fails_ahead_is_told_when_it_is_asked_for() -> None:
    bus = Bus(errors.Unavailable("The network service does not answer."))
    networking = RemoteNetworking(bus, "host")
    networking.unplug_ahead("server", VIFS)
    bus.let.set()
    networking.unplug("server", VIFS)
    assert bus.done == [("unplug", "server")]
