# SPDX-License-Identifier: Apache-2.0
"""The calls of the Compute API that the measures are made of, over connections that are kept. No measuring here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

from .auth import Session
from .crowd import ask_for
from .wire import Connection, Response, WireError

T = TypeVar("T")
R = TypeVar("R")


class BenchError(Exception):
    """The cloud answered something that ends the measure."""


def _expect(answer: Response, what: str, expect: tuple[int, ...]) -> None:
    if answer.status not in expect:
        text = answer.body[:300].decode(errors="replace")
        raise BenchError(f"{what} answered {answer.status}: {text}")


class Cloud:
    """A project of a cloud. ``prefix`` begins the names of all servers of this run."""

    def __init__(self, session: Session, *, prefix: str, microversion: str | None = None, timeout: float = 600.0,
                 clients: int = 16) -> None:
        self.session = session
        self.prefix = prefix
        self.timeout = timeout
        self.clients = clients
        self._headers = {"OpenStack-API-Version": f"compute {microversion}"} if microversion else {}
        self._idle: list[Connection] = []

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def call(self, method: str, path: str, body: Any = None, *, expect: tuple[int, ...] = (200,)) -> Response:
        """One exchange on a connection that nobody else uses meanwhile; an unexpected status is an error."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.session.connect(self.session.compute, self._headers)
        try:
            answer = connection.request(method, path, body)
        finally:
            self._idle.append(connection)
        _expect(answer, f"{method} {path}", expect)
        return answer

    def crowd(self, path: str, clients: int, seconds: float) -> tuple[list[float], float]:
        """How long the answers to so many clients took who each ask again at once, and how long it took in all."""
        connections = [self.session.connect(self.session.compute, self._headers) for _ in range(clients)]
        try:
            return ask_for(seconds, path, connections, lambda answer: _expect(answer, f"GET {path}", (200,)))
        finally:
            for connection in connections:
                connection.close()

    def get(self, path: str) -> Any:
        return self.call("GET", path).json()

    def every(self, work: Callable[[T], R], items: Iterable[T], progress: Callable[[], None]) -> list[R]:
        """Do ``work`` for each item, ``clients`` at a time; the first failure is raised when all have ended."""
        def one(item: T) -> R:
            result = work(item)
            progress()
            return result

        with ThreadPoolExecutor(self.clients) as pool:
            futures = [pool.submit(one, item) for item in items]
        return [future.result() for future in futures]

    # -- what there is

    def flavor(self, wanted: str | None) -> dict[str, Any]:
        """The flavor asked for by name or id, else the one with the least memory."""
        flavors = self.get("/flavors/detail")["flavors"]
        matching = [f for f in flavors if wanted in (None, f["id"], f["name"])]
        if not matching:
            raise BenchError(f"flavor {wanted!r} does not exist; there is {', '.join(f['name'] for f in flavors)}")
        found: dict[str, Any] = min(matching, key=lambda f: (f["ram"], f["disk"], f["vcpus"]))
        return found

    def image(self, wanted: str | None) -> str:
        """The id of the image asked for by name or id, else of the smallest active one."""
        if self.session.image is None:
            raise BenchError("the catalogue has no image service; name an image by its id with --image")
        base = self.session.image.removesuffix("/v2")
        connection = self.session.connect(base)
        try:
            answer = connection.request("GET", "/v2/images?status=active&limit=1000")
        finally:
            connection.close()
        if answer.status != 200:
            raise BenchError(f"the image service answered {answer.status}")
        found = [i for i in answer.json()["images"] if wanted in (None, i["id"], i["name"])]
        if not found:
            raise BenchError(f"there is no active image {wanted or ''}".strip())
        return str(min(found, key=lambda i: i.get("size") or 0)["id"])

    # -- quota

    def quota(self) -> dict[str, int]:
        quota = self.get(f"/os-quota-sets/{self.session.project_id}")["quota_set"]
        return {name: quota[name] for name in ("instances", "cores", "ram")}

    def default_quota(self) -> dict[str, int]:
        quota = self.get(f"/os-quota-sets/{self.session.project_id}/defaults")["quota_set"]
        return {name: quota[name] for name in ("instances", "cores", "ram")}

    def set_quota(self, values: dict[str, int]) -> None:
        self.call("PUT", f"/os-quota-sets/{self.session.project_id}", {"quota_set": {**values, "force": True}})

    def reset_quota(self) -> None:
        self.call("DELETE", f"/os-quota-sets/{self.session.project_id}", expect=(200, 202, 204))

    # -- servers

    def create(self, name: str, spec: dict[str, Any], **more: Any) -> str:
        body = {"server": {"name": f"{self.prefix}{name}", **spec, **more}}
        return str(self.call("POST", "/servers", body, expect=(202,)).json()["server"]["id"])

    def act(self, action: str, server_id: str) -> None:
        self.call("POST", f"/servers/{server_id}/action", {action: None}, expect=(202,))

    def delete(self, server_id: str) -> None:
        self.call("DELETE", f"/servers/{server_id}", expect=(204, 404))

    def ids(self, name: str = "", **filters: str) -> list[str]:
        """Ids of this run's servers whose names begin with ``name``."""
        return [s["id"] for s in self._pages("/servers", name, filters)]

    def details(self, name: str = "", **filters: str) -> list[dict[str, Any]]:
        return self._pages("/servers/detail", name, filters)

    def _pages(self, path: str, name: str, filters: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        marker = ""
        while True:
            answer = self.get(self._query(path, name, {**filters, "limit": "1000"}) + marker)["servers"]
            found += answer
            if len(answer) < 1000:
                return found
            marker = f"&marker={answer[-1]['id']}"

    def _query(self, path: str, name: str, filters: dict[str, str]) -> str:
        pattern = quote(f"^{self.prefix}{name}")
        return f"{path}?name={pattern}" + "".join(f"&{k}={quote(v)}" for k, v in filters.items())

    def wait_until_none(self, name: str, progress: Callable[[], None], **filters: str) -> float:
        """Wait until no server of that name matches; returns when that was first asked and true (perf_counter)."""
        path = self._query("/servers", name, {**filters, "limit": "1"})
        deadline = time.perf_counter() + self.timeout
        while True:
            asked = time.perf_counter()
            if not self.get(path)["servers"]:
                return asked
            answered = time.perf_counter()
            if answered > deadline:
                raise BenchError(f"servers {self.prefix}{name}* still match {filters} after {self.timeout:g} s")
            progress()
            time.sleep(min(1.0, max(0.03, 3 * (answered - asked))))  # asking must not be the load

    def wait_for(self, server_id: str, status: str, pause: float = 0.005) -> None:
        """Wait until one server has a status; ERROR ends the wait with the server's own words."""
        deadline = time.perf_counter() + self.timeout
        while time.perf_counter() < deadline:
            server = self.get(f"/servers/{server_id}")["server"]
            if server["status"] == status:
                return
            if server["status"] == "ERROR":
                raise BenchError(f"server {server_id} is in ERROR: {server.get('fault', {}).get('message', '')}")
            time.sleep(pause)
        raise BenchError(f"server {server_id} is not {status} after {self.timeout:g} s")

    def clean(self, progress: Callable[[], None], name: str = "") -> None:
        """Delete every server of this run and wait until it is gone."""
        def delete(server_id: str) -> None:
            try:
                self.delete(server_id)
            except (BenchError, WireError):
                time.sleep(0.2)  # the next round of the loop asks again

        deadline = time.perf_counter() + self.timeout
        while ids := self.ids(name):
            if time.perf_counter() > deadline:
                raise BenchError(f"{len(ids)} servers {self.prefix}{name}* could not be deleted; remove them by hand")
            self.every(delete, ids, progress)
            time.sleep(0.2)
