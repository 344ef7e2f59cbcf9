# SPDX-License-Identifier: Apache-2.0
"""The bus of the deterministic simulation: messages are lost, repeated, delayed and reordered as the seed says.

It seals, opens and dispatches as every other bus does; only the broker in between is made up. A server belongs to the
node that called ``serve``; its requests run as tasks of that node and die with it.
"""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Mapping, Sequence
from typing import Any

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from nova.context import RequestContext
from nova.objects.base import Backport
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import NullSigner, Sealer, Sender
from nova.rpc.messages import Dispatcher, StoreSource, Unanswered, Wire
from nova.rpc.serializer import Serializer, dumps, loads

BACKLOG = 10_000


@dataclasses.dataclass
class Faults:
    """Probabilities from 0 to 1; ``delay`` is the longest time in seconds that a message travels.

    ``drop`` and ``duplicate`` are about casts, ``lose_call`` about requests and answers of calls. ``down`` refuses
    everything, as a broker that is not there. Nodes that are ``cut`` off can say nothing and hear nothing.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    lose_call: float = 0.0
    down: bool = False
    cut: set[str] = dataclasses.field(default_factory=set)


class _Broker:
    """Queues and servers of one name, shared by the buses of all nodes."""

    def __init__(self, sim: Simulation, name: str) -> None:
        self._sim, self._name = sim, name
        self.servers: list[SimulatedServer] = []
        self._held: dict[tuple[str, str | None], list[tuple[str, Any]]] = {}

    def deliver(self, topic: str, server: str | None, fanout: bool, text: str, replies: Any, delay: float) -> None:
        """Runs as a task of the broker's own node."""
        if delay:
            concurrency.sleep(delay)
        able = [s for s in self.servers if s.topic == topic and server in (None, s.server)]
        if not able and not fanout:
            held = self._held.setdefault((topic, server), [])
            held.append((text, replies))
            del held[:-BACKLOG]
        for chosen in able if fanout else able and [self._sim.rng.choice(able)]:
            chosen.take(text, replies)

    def post(self, *message: Any) -> None:
        with self._sim.node(f"bus:{self._name}"):
            concurrency.spawn(self.deliver, *message, name=f"bus:{self._name}")

    def attach(self, server: SimulatedServer) -> None:
        if server not in self.servers:
            self.servers.append(server)
        for address in ((server.topic, server.server), (server.topic, None)):
            for text, replies in self._held.pop(address, ()):
                server.take(text, replies)

    def wipe(self) -> None:
        self._held.clear()


def _broker(sim: Simulation, name: str) -> _Broker:
    """The broker of that name; it lives as long as the simulation."""
    brokers: dict[str, _Broker] = vars(sim).setdefault("_brokers", {})
    return brokers.setdefault(name, _Broker(sim, name))


def _here(sim: Simulation) -> str:
    """The node whose code is running, by the rule that the simulation's own spawn follows."""
    inside = sim.current is not None and sim._node == "main"
    return sim.current.node if inside and sim.current else sim._node


class SimulatedServer:
    """See :class:`nova.rpc.bus.RpcServer`."""

    def __init__(self, sim: Simulation, broker: _Broker, topic: str, server: str, dispatcher: Dispatcher,
                 faults: Faults) -> None:
        self._sim, self._broker, self._dispatcher, self._faults = sim, broker, dispatcher, faults
        self.topic, self.server, self.node = topic, server, _here(sim)
        self._running = 0
        self._idle = concurrency.Condition()

    def start(self) -> None:
        self._broker.attach(self)

    def stop(self) -> None:
        if self in self._broker.servers:
            self._broker.servers.remove(self)

    def wait(self) -> None:
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0)

    def take(self, text: str, replies: Any) -> None:
        if self.node in self._faults.cut:
            return
        self._running += 1
        with self._sim.node(self.node):
            concurrency.spawn(self._serve, text, replies, name=f"{self.topic}.{self.server}")

    def _serve(self, text: str, replies: Any) -> None:
        try:
            answer = dumps(self._dispatcher.dispatch(loads(text)))
        finally:
            self._running -= 1
            self._idle.notify_all()
        if replies is not None:
            replies.put(answer)


class SimulatedBus:
    """See :class:`nova.rpc.bus.Bus`. Buses of one simulation and name reach each other, whatever node has made them."""

    def __init__(self, sim: Simulation, name: str, faults: Faults | None = None, *, signer: Sealer | None = None,
                 sender: Sender | None = None, backport: Backport | None = None, call_timeout: float = 60.0) -> None:
        self.name, self.faults = name, faults or Faults()
        self._sim, self._timeout = sim, call_timeout
        self._broker = _broker(sim, name)
        self._wire = Wire(sender or Sender("simulated", _here(sim)), signer or NullSigner(lifetime=3600.0),
                          Serializer(backport))

    def call(self, context: RequestContext, topic: str, method: str, *, namespace: str | None = None,
             version: str = "1.0", server: str | None = None, timeout: float | None = None,
             args: Mapping[str, Any]) -> Any:
        sealed, request = self._wire.request(context, topic, method, namespace=namespace, version=version,
                                             server=server, args=args)
        text = dumps(sealed)
        concurrency.checkpoint(f"send:{topic}.{method}")
        self._up()
        replies = concurrency.Queue()
        lost = self._chance(self.faults.lose_call)
        answer_lost = lost and self._chance(0.5)
        if not lost or answer_lost:
            self._broker.post(topic, server, False, text, None if answer_lost else replies, self._delay())
        concurrency.checkpoint(f"sent:{topic}.{method}")
        limit = timeout or self._timeout
        try:
            answer = replies.get(timeout=limit)
        except queue.Empty:
            raise Unanswered(f"{topic} did not answer {method} within {limit:.3g} s") from None
        return self._wire.result(request, loads(answer), context)

    def cast(self, context: RequestContext, topic: str, method: str, *, namespace: str | None = None,
             version: str = "1.0", server: str | None = None, fanout: bool = False, args: Mapping[str, Any]) -> None:
        copies = 0 if self._chance(self.faults.drop) else 2 if self._chance(self.faults.duplicate) else 1
        texts = [dumps(self._wire.request(context, topic, method, namespace=namespace, version=version, server=server,
                                          args=args)[0]) for _ in range(max(copies, 1))]
        concurrency.checkpoint(f"send:{topic}.{method}")
        self._up()
        for text in texts[:copies]:
            self._broker.post(topic, server, fanout, text, None, self._delay())
        concurrency.checkpoint(f"sent:{topic}.{method}")

    def serve(self, topic: str, server: str, endpoints: Sequence[Endpoint], *, workers: int | None = None,
              context_store: StoreSource = None) -> SimulatedServer:
        return SimulatedServer(self._sim, self._broker, topic, server,
                               Dispatcher(self._wire, topic, server, endpoints, context_store), self.faults)

    def check(self, timeout: float = 2.0) -> None:
        self._up()

    def close(self) -> None:
        return None

    def forget(self, node: str) -> None:
        """The node was killed: it serves nothing any more."""
        self._broker.servers[:] = [s for s in self._broker.servers if s.node != node]

    def wipe(self) -> None:
        """The broker lost everything that it held."""
        self._broker.wipe()

    def _up(self) -> None:
        if self.faults.cut and _here(self._sim) in self.faults.cut:
            raise errors.Unavailable("The line is cut.")
        if self.faults.down:
            raise errors.Unavailable(f"The message bus {self.name} does not take messages: it is down")

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self._sim.rng.random() < probability

    def _delay(self) -> float:
        return self._sim.rng.random() * self.faults.delay if self.faults.delay else 0.0
