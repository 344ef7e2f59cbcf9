# SPDX-License-Identifier: Apache-2.0
"""A front with the stream of events and a read of servers, on a port, and clients of it."""

from __future__ import annotations

import dataclasses
import socket
import types
from typing import Any

import orjson

from nova import concurrency, errors
from nova.api.compute import server_events
from nova.api.compute.server_events import ServerEvents
from nova.context import RequestContext
from nova.policy import Policy, compute
from nova.store.servers import Servers
from nova.web.front import Front
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.server import Server
from tests.functional.cloud import Cloud


class Tokens:
    """``project:role`` is a token until it is revoked; ``expire_at`` is when new ones end."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.expire_at: float | None = None

    def __call__(self, environ: dict[str, Any]) -> RequestContext:
        token = environ.get("HTTP_X_AUTH_TOKEN", "")
        project, _, role = token.partition(":")
        if not role or token in self.revoked:
            raise errors.Unauthorized()
        if self.expire_at is not None:
            environ["nova.session"] = types.SimpleNamespace(token=types.SimpleNamespace(expires_at=self.expire_at))
        return RequestContext(user_id="u1", project_id=project, roles=(role,), is_admin=role == "admin")


class _Shown:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def show(self, request: Request) -> dict[str, Any]:
        row = self._servers.show(request.context, request.match["id"])
        return {"server": {"id": row["uuid"], "vm_state": row["vm_state"]}}


class Fronted:
    """One API process of its own over a cloud: databases, hub, server."""

    def __init__(self, cloud: Cloud, *, node: str = "front", threads: int = 4, **limits: Any) -> None:
        plane = cloud.plane(node)
        self.tokens = Tokens()
        self.hub = server_events.make_hub(plane.api, plane.cells, cloud.conf, **limits)
        show = (Route("GET", "/servers/{id}", "show"),)
        front = Front("compute", [Resource(server_events.ROUTES, ServerEvents(self.hub, self.tokens)),
                                  Resource(show, _Shown(Servers(plane.api, plane.cells)))],
                      authenticator=self.tokens, policy=Policy(cloud.conf, rules=compute.RULES))
        self.server = Server(front, "127.0.0.1:0", threads)
        self.server.start()
        self._clients: list[Client] = []

    def listen(self, query: str = "", *, token: str = "p1:reader", last: str | None = None) -> Client:
        client = Client(self.server.port, query, token, last)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.hub.stop()
        self.server.stop()


@dataclasses.dataclass(frozen=True)
class Event:
    id: str | None
    event: str | None
    data: Any


class Client:
    """A client of server-sent events; ``last_id`` is what it would come back with."""

    def __init__(self, port: int, query: str, token: str, last: str | None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=120)
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        self.sock.sendall(f"GET /servers/events{query} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n{resume}\r\n"
                          .encode())
        self._data = b""
        head = self._until(b"\r\n\r\n")
        self.status = int(head.split()[1])
        self.head = head.decode()
        self.last_id = last

    def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(self._data)
            self._data += more
        found, _, self._data = self._data.partition(end)
        return found

    def next(self) -> Event:
        """The next event with data; comments and bare ids are passed over. Raises EOFError at the end."""
        while (event := self._block()) is None:
            pass
        return event

    def _block(self) -> Event | None:
        """The next paragraph of the stream, if it is an event."""
        fields = dict(line.partition(": ")[::2] for line in self._until(b"\n\n").decode().split("\n"))
        self.last_id = fields.get("id", self.last_id)
        if "data" not in fields:
            return None
        return Event(fields.get("id"), fields.get("event"), orjson.loads(fields["data"]))

    def ready(self) -> Client:
        self.until("ready")
        return self

    def until(self, event: str) -> list[Event]:
        """Everything up to the first event of that name."""
        found = [self.next()]
        while found[-1].event != event:
            found.append(self.next())
        return found

    def silent(self, seconds: float = 0.5) -> bool:
        """No event comes; comments and bare ids are no events."""
        end = concurrency.monotonic() + seconds
        try:
            while (left := end - concurrency.monotonic()) > 0:
                self.sock.settimeout(left)
                if self._block() is not None:
                    return False
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(30)
        return True

    def close(self) -> None:
        self.sock.close()


