# SPDX-License-Identifier: Apache-2.0
"""The bus that daemons are given: call, cast, serve. One object per broker (per cell, that is) and process."""

from __future__ import annotations

import logging
import math
import queue
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nova import concurrency, errors
from nova.context import RequestContext
from nova.objects.base import Backport
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import Sealer, Sender
from nova.rpc.messages import Dispatcher, StoreSource, Wire
from nova.rpc.serializer import Serializer

if TYPE_CHECKING:
    from oslo_config import cfg

LOG = logging.getLogger(__name__)


class RpcServer(Protocol):
    """A topic that is being served."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Take no new requests."""
        ...

    def wait(self) -> None:
        """Wait for the requests that were taken; to be called after stop."""
        ...


class Bus(Protocol):
    """How daemons reach each other. Arguments go as ``args``, so that they may have any name."""

    name: str

    def call(self, context: RequestContext, topic: str, method: str, *, namespace: str | None = None,
             version: str = "1.0", server: str | None = None, timeout: float | None = None,
             args: Mapping[str, Any]) -> Any:
        """Ask and wait. Raises the error of the other side; Unavailable, and of that Unanswered when no answer comes in
        time. What has not been begun by then is not done any more."""
        ...

    def cast(self, context: RequestContext, topic: str, method: str, *, namespace: str | None = None,
             version: str = "1.0", server: str | None = None, fanout: bool = False, args: Mapping[str, Any]) -> None:
        """Tell, and do not wait; ``fanout`` tells every server of the topic, but no hosts that hold only a key of
        their own. Raises Unavailable when the broker does not take it; a frozen broker may block for a while, so
        casts belong into a sender thread."""
        ...

    def serve(self, topic: str, server: str, endpoints: Sequence[Endpoint], *, workers: int | None = None,
              context_store: StoreSource = None) -> RpcServer:
        """A server for the topic and for (topic, server), not yet started. The contexts that endpoints get carry
        ``context_store``, or what it returns for (sender, context) if it can be called."""
        ...

    def check(self, timeout: float = 2.0) -> None:
        """Raises Unavailable when the broker does not answer."""
        ...

    def close(self) -> None: ...


class OsloServer:
    """Takes requests from a listener of oslo.messaging and works on them in a pool of our own."""

    def __init__(self, listen: Callable[[], Any], dispatcher: Dispatcher, workers: int, name: str) -> None:
        self._listen, self._dispatcher = listen, dispatcher
        self._workers, self._name = workers, name
        self._listener: Any = None
        self._pool: concurrency.Pool | None = None
        self._taking = False

    def start(self) -> None:
        if self._pool is None:
            self._pool = concurrency.make_pool(self._workers, self._name)
            self._listener = self._listen()
            self._taking = True
            self._listener.start(self._incoming)

    def stop(self) -> None:
        if self._taking:
            self._taking = False
            self._listener.stop()

    def wait(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool = None
            self._listener.cleanup()

    def _incoming(self, messages: list[Any]) -> None:
        pool = self._pool
        for message in messages:
            message.acknowledge()
            try:
                if pool is not None:
                    pool.submit(self._serve, message, concurrency.monotonic())
                    continue
            except RuntimeError:
                LOG.debug("%s: the pool has been stopped", self._name)
            LOG.info("%s is ending: a request that came too late is not served", self._name)

    def _serve(self, incoming: Any, came: float) -> None:
        args = incoming.message.get("args", {})
        if concurrency.monotonic() - came > args.get("waits", math.inf):
            LOG.info("%s: a request that had to wait for its turn is not waited for any more", self._name)
            return
        answer = self._dispatcher.dispatch(args.get("envelope"))
        try:
            incoming.reply(answer)
        except Exception:
            LOG.exception("the answer of %s could not be sent", self._name)


class OsloBus:
    """The bus over oslo.messaging: RabbitMQ, or the driver of ours that stays in the process (``nova-memory://``)."""

    def __init__(self, conf: cfg.ConfigOpts, url: str, *, name: str, signer: Sealer, sender: Sender,
                 backport: Backport | None = None) -> None:
        from nova.rpc import transport

        self.name, self.url = name, url
        self._options = conf.rpc
        self._wire = Wire(sender, signer, Serializer(backport))
        self._transport = transport.Transport(conf, url, name=name, sender=sender)

    def call(self, context: RequestContext, topic: str, method: str, *, namespace: str | None = None,
             version: str = "1.0", server: str | None = None, timeout: float | None = None,
             args: Mapping[str, Any]) -> Any:
        sealed, request = self._wire.request(context, topic, method, namespace=namespace, version=version,
                                             server=server, args=args)
        limit = float(timeout or self._options.call_timeout)
        answer = self._transport.call(topic, server, method, {"envelope": sealed, "waits": limit}, limit)
        return self._wire.result(request, answer, context)

    def cast(self, context: RequestContext, topic: str, method: str, *, namespace: str | None = None,
             version: str = "1.0", server: str | None = None, fanout: bool = False, args: Mapping[str, Any]) -> None:
        sealed, _ = self._wire.request(context, topic, method, namespace=namespace, version=version, server=server,
                                       args=args)
        self._transport.cast(topic, server, method, {"envelope": sealed}, fanout=fanout)

    def serve(self, topic: str, server: str, endpoints: Sequence[Endpoint], *, workers: int | None = None,
              context_store: StoreSource = None) -> RpcServer:
        dispatcher = Dispatcher(self._wire, topic, server, endpoints, context_store)
        return OsloServer(lambda: self._transport.listen(topic, server), dispatcher, workers or self._options.workers,
                          f"{self.name}-{topic}")

    def check(self, timeout: float = 2.0) -> None:
        """Ask in a task of its own: a broker that is frozen lets a connection hang."""
        outcome = concurrency.Queue()

        def attempt() -> None:
            try:
                self._transport.check(timeout)
                outcome.put(None)
            except Exception as e:
                outcome.put(e)

        concurrency.spawn(attempt, name=f"{self.name}-check")
        try:
            failure = outcome.get(timeout=timeout + 0.5)
        except queue.Empty:
            failure = TimeoutError(f"no answer within {timeout:.1f} s")
        if failure is not None:
            raise errors.Unavailable(f"The message bus {self.name} does not answer: {failure}") from failure

    def close(self) -> None:
        self._transport.close()
