# SPDX-License-Identifier: Apache-2.0
"""From a call to what travels, and on the other side from what travels to an endpoint: the same for every bus.

A request is {topic, server, namespace, method, version, context, args, kinds}; a reply {value, kind} or
{error: {code, message, details}}. Both travel in an envelope.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from nova import errors
from nova.context import RequestContext
from nova.rpc.endpoint import Endpoint, Table
from nova.rpc.envelope import Received, Refused, Sealed, Sealer, Sender, receiving
from nova.rpc.serializer import Serializer

LOG = logging.getLogger(__name__)


class Unanswered(errors.Unavailable):
    """No answer came in time: nobody knows whether it was done. To others it crosses as any Unavailable."""


#: Services that hold no key but their host's; what is sent to them is sealed with that.
HOST_TOPICS = frozenset({"compute", "network", "volume"})
#: The context's store: one for all requests, or made for each from its sender and context.
StoreSource = Any
#: Given to Dispatcher when the store depends on who asks.
StoreFactory = Callable[[Sender, RequestContext], Any]


class Wire:
    """Makes and reads messages for one sender."""

    def __init__(self, sender: Sender, sealer: Sealer, serializer: Serializer) -> None:
        self.sender, self.sealer, self.serializer = sender, sealer, serializer

    def request(self, context: RequestContext, topic: str, method: str, *, namespace: str | None, version: str,
                server: str | None, args: Mapping[str, Any]) -> tuple[Sealed, Received]:
        plain, kinds = self.serializer.plain_args(args)
        body = {"topic": topic, "server": server, "namespace": namespace, "method": method, "version": version,
                "context": context.to_dict(), "args": plain, "kinds": kinds}
        return self.sealer.seal(self.sender, body, to_host=server if topic in HOST_TOPICS else None)

    def result(self, request: Received, sealed: Any, context: RequestContext) -> Any:
        """The value of a reply; raises the error that it carries."""
        if isinstance(sealed, dict) and "refused" in sealed:
            raise errors.Forbidden(f"{request.body['topic']} did not accept the message", reason=sealed["refused"])
        reply = self.sealer.open_reply(request, sealed)
        if error := reply.get("error"):
            raise raised(error)
        return self.serializer.real(reply.get("value"), reply.get("kind"), context)

    def reply(self, request: Received, value: Any) -> Sealed:
        plain, kind = self.serializer.plain(value)
        return self.sealer.seal_reply(request, {"value": plain, "kind": kind})

    def reply_error(self, request: Received, error: errors.NovaError) -> Sealed:
        return self.sealer.seal_reply(request, {"error": crossing(error)})


def crossing(error: errors.NovaError) -> dict[str, Any]:
    """An error as data. Details that are not JSON cross as their text."""
    if error.code not in errors.CROSSING:
        return crossing(errors.NovaError("An internal error occurred."))
    return {"code": error.code, "message": error.message, "details": orjson.loads(
        orjson.dumps(error.details, default=str, option=orjson.OPT_NON_STR_KEYS))}


def raised(error: dict[str, Any]) -> errors.NovaError:
    """The error of that data: of the class of its code, or a plain NovaError when we do not know the code."""
    made = errors.CROSSING.get(error["code"], errors.NovaError)(error["message"])
    made.details = dict(error.get("details") or {})
    return made


class Dispatcher:
    """Serves requests for one topic and server name with some endpoints."""

    def __init__(self, wire: Wire, topic: str, server: str, endpoints: Sequence[Endpoint],
                 store: StoreSource = None) -> None:
        self._wire, self._topic, self._server = wire, topic, server
        self._table = Table(endpoints)
        self._store = store

    def dispatch(self, sealed: Any) -> Sealed:
        """Open, run, and seal the answer. Never raises an Exception."""
        try:
            request = self._wire.sealer.open(sealed)
            self._addressed(request)
        except Refused as e:
            return {"refused": e.reason}
        try:
            return self._wire.reply(request, self._run(request))
        except errors.NovaError as e:
            if e.code == errors.NovaError.code:
                LOG.exception("%s failed", self._name(request))
            else:
                LOG.debug("%s: %s: %s", self._name(request), e.code, e.message)
            return self._wire.reply_error(request, e)
        except Exception:
            LOG.exception("%s failed", self._name(request))
            return self._wire.reply_error(request, errors.NovaError("An internal error occurred."))

    def _addressed(self, request: Received) -> None:
        """Nobody may take a message for one service to another."""
        body = request.body
        if body.get("topic") != self._topic or body.get("server") not in (None, self._server):
            self._wire.sealer.refused["misdirected"] += 1
            LOG.warning("a message for %s on %s came to %s on %s", body.get("topic"), body.get("server"), self._topic,
                        self._server)
            raise Refused("misdirected", "it is for somebody else")

    def _run(self, request: Received) -> Any:
        body = request.body
        method = self._table.find(body["namespace"], body["method"], body["version"])
        context = RequestContext.from_dict(body["context"])
        context.store = self._store(request.sender, context) if callable(self._store) else self._store
        args = self._wire.serializer.real_args(body["args"], body["kinds"], context)
        with receiving(request.sender):
            return method(context, **args)

    def _name(self, request: Received) -> str:
        body = request.body
        return f"{self._topic}: {body.get('namespace') or ''}.{body.get('method')} for {request.sender.service} on " \
               f"{request.sender.host} ({body.get('context', {}).get('request_id')})"
