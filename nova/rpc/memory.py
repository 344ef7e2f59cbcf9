# SPDX-License-Identifier: Apache-2.0
"""A driver of oslo.messaging that stays in the process: ``nova-memory://NAME``; clouds of different names never mix.

Nothing polls: a message goes straight to a listener, in the sender's task, and the listener hands it to its workers. A
queue whose server is not listening yet holds messages, as a broker does. Every message becomes JSON on the way, so
nothing crosses here that would not cross a real broker.
"""

from __future__ import annotations

import collections
import logging
import queue
import weakref
from collections.abc import Callable
from typing import Any

import orjson
from oslo_messaging import exceptions as oslo_errors
from oslo_messaging._drivers import base

from nova import concurrency

LOG = logging.getLogger(__name__)

#: How many messages a queue without a listener holds; then the oldest go.
BACKLOG = 10_000

Address = tuple[str, str | None]


class MemoryIncoming(base.RpcIncomingMessage):  # type: ignore[misc]
    """A message as a server gets it."""

    def __init__(self, raw: bytes, replies: Any) -> None:
        message = orjson.loads(raw)
        super().__init__(message["context"], message["message"])
        self._raw, self._replies = raw, replies

    def reply(self, reply: Any = None, failure: Any = None) -> None:
        if self._replies is not None:
            self._replies.put(orjson.dumps(reply) if failure is None else failure[1])

    def requeue(self) -> None:
        raise NotImplementedError

    def heartbeat(self) -> None:
        return None


class _Queue:
    """Hands messages to its listeners in turn; holds them while there is none."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = concurrency.Lock()
        self._listeners: collections.deque[MemoryListener] = collections.deque()
        self._held: collections.deque[tuple[bytes, Any]] = collections.deque()

    def put(self, raw: bytes, replies: Any) -> None:
        with self._lock:
            if not self._listeners:
                if len(self._held) >= BACKLOG:
                    self._held.popleft()
                    LOG.warning("nobody listens on %s and it is full: the oldest message is lost", self._address)
                self._held.append((raw, replies))
                return
            self._listeners.rotate(-1)
            listener = self._listeners[-1]
        listener.take(raw, replies)

    def attach(self, listener: MemoryListener) -> None:
        with self._lock:
            self._listeners.append(listener)
            held, self._held = self._held, collections.deque()
        for raw, replies in held:
            listener.take(raw, replies)

    def detach(self, listener: MemoryListener) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)


class Exchange:
    """All queues of one name."""

    def __init__(self) -> None:
        self._lock = concurrency.Lock()
        self._queues: dict[Address, _Queue] = {}
        self._listeners: list[MemoryListener] = []

    def queue(self, topic: str, server: str | None) -> _Queue:
        with self._lock:
            found = self._queues.get((topic, server))
            if found is None:
                found = self._queues[topic, server] = _Queue((topic, server))
            return found

    def fanout(self, topic: str, raw: bytes) -> None:
        with self._lock:
            listeners = [x for x in self._listeners if x.topic == topic]
        for listener in listeners:
            listener.take(raw, None)

    def attach(self, listener: MemoryListener) -> None:
        with self._lock:
            self._listeners.append(listener)
        self.queue(listener.topic, listener.server).attach(listener)
        self.queue(listener.topic, None).attach(listener)

    def detach(self, listener: MemoryListener) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
        self.queue(listener.topic, listener.server).detach(listener)
        self.queue(listener.topic, None).detach(listener)


_EXCHANGES: weakref.WeakValueDictionary[str, Exchange] = weakref.WeakValueDictionary()


def exchange(name: str) -> Exchange:
    """The exchange of that name; it is gone when the last driver that uses it is."""
    found = _EXCHANGES.get(name)
    if found is None:
        found = _EXCHANGES.setdefault(name, Exchange())
    return found


class MemoryListener(base.Listener):  # type: ignore[misc]
    """Pushes: it has no loop and no thread."""

    def __init__(self, home: Exchange, topic: str, server: str, batch_size: int, batch_timeout: float | None) -> None:
        super().__init__(batch_size, batch_timeout)
        self._home, self.topic, self.server = home, topic, server

    def start(self, on_incoming_callback: Callable[[list[MemoryIncoming]], None]) -> None:
        super().start(on_incoming_callback)
        self._home.attach(self)

    def stop(self) -> None:
        self._home.detach(self)
        super().stop()

    def cleanup(self) -> None:
        self._home.detach(self)

    def take(self, raw: bytes, replies: Any) -> None:
        callback = self.on_incoming_callback
        if callback is None:
            self._home.queue(self.topic, self.server).put(raw, replies)
        else:
            callback([MemoryIncoming(raw, replies)])


class NotificationListener(base.Listener):  # type: ignore[misc]
    """Hears notifications of several topics; each goes to one of the listeners of its topic."""

    def __init__(self, home: Exchange, topics: list[str], batch_size: int, batch_timeout: float | None) -> None:
        super().__init__(batch_size, batch_timeout)
        self._parts = [MemoryListener(home, topic, f"notified-{concurrency.uuid4()}", batch_size, batch_timeout)
                       for topic in topics]

    def start(self, on_incoming_callback: Callable[[list[MemoryIncoming]], None]) -> None:
        super().start(on_incoming_callback)
        for part in self._parts:
            part.start(on_incoming_callback)

    def stop(self) -> None:
        for part in self._parts:
            part.stop()
        super().stop()

    def cleanup(self) -> None:
        for part in self._parts:
            part.cleanup()


class MemoryDriver(base.BaseDriver):  # type: ignore[misc]
    """``nova-memory://NAME``: the host name of the URL tells which exchange."""

    def __init__(self, conf: Any, url: Any, default_exchange: str | None = None,
                 allowed_remote_exmods: list[str] | None = None) -> None:
        super().__init__(conf, url, default_exchange, allowed_remote_exmods)
        self._exchange = exchange(url.hosts[0].hostname if url.hosts else "")

    def send(self, target: Any, ctxt: dict[str, Any], message: dict[str, Any], wait_for_reply: bool | None = None,
             timeout: float | None = None, call_monitor_timeout: int | None = None, retry: int | None = None,
             transport_options: Any = None) -> Any:
        raw = orjson.dumps({"context": ctxt, "message": message})
        if target.fanout:
            self._exchange.fanout(target.topic, raw)
            return None
        replies = concurrency.Queue() if wait_for_reply else None
        self._exchange.queue(target.topic, target.server).put(raw, replies)
        return None if replies is None else self._answer(replies, target, timeout)

    @staticmethod
    def _answer(replies: Any, target: Any, timeout: float | None) -> Any:
        try:
            answer = replies.get(timeout=timeout)
        except queue.Empty:
            raise oslo_errors.MessagingTimeout(f"No reply on topic {target.topic}") from None
        if isinstance(answer, BaseException):
            raise answer
        return orjson.loads(answer)

    def send_notification(self, target: Any, ctxt: dict[str, Any], message: dict[str, Any], version: float,
                          retry: int | None = None) -> None:
        self.send(target, ctxt, message)

    def listen(self, target: Any, batch_size: int, batch_timeout: float | None) -> MemoryListener:
        return MemoryListener(self._exchange, target.topic, target.server, batch_size, batch_timeout)

    def listen_for_notifications(self, targets_and_priorities: Any, pool: Any, batch_size: int,
                                 batch_timeout: float | None) -> NotificationListener:
        topics = [f"{target.topic}.{priority}" for target, priority in targets_and_priorities]
        return NotificationListener(self._exchange, topics, batch_size, batch_timeout)

    def cleanup(self) -> None:
        return None
