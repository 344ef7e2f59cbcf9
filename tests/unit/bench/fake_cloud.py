# SPDX-License-Identifier: Apache-2.0
"""A cloud of a few lines, over real HTTP, for the benchmark to run against. It remembers what was asked of it."""

from __future__ import annotations

import json
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class FakeCloud:
    """Servers build when they are looked at once. ``broken`` names a path prefix that answers 500."""

    def __init__(self) -> None:
        self.servers: dict[str, dict[str, Any]] = {}
        self.defaults = {"instances": 10, "cores": 20, "ram": 51200}
        self.quota = dict(self.defaults)
        self.quota_calls: list[tuple[str, dict[str, int]]] = []
        self.most = 0
        self.microversions: set[str | None] = set()
        self.broken = ""
        self.fault = ""
        self.lock = threading.Lock()
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                cloud.answer(self, None)

            def do_POST(self) -> None:
                cloud.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null"))

            do_PUT = do_POST  # noqa: N815 - the names that http.server calls
            do_DELETE = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                return None

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, request: BaseHTTPRequestHandler, body: Any) -> None:
        url = urlsplit(request.path)
        with self.lock:
            status, document, headers = self._answer(request, url.path, parse_qs(url.query), body)
        data = b"" if document is None else json.dumps(document).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _answer(self, request: BaseHTTPRequestHandler, path: str, query: dict[str, list[str]],
                body: Any) -> tuple[int, Any, dict[str, str]]:
        if path == "/identity/v3/auth/tokens":
            return self._token(body)
        if request.headers.get("X-Auth-Token") != "secret":
            return 401, {"error": "who are you"}, {}
        if path == "/image/v2/images":
            return 200, {"images": [{"id": "i-big", "name": "big", "size": 9}, {"id": "i", "name": "s", "size": 5}]}, {}
        self.microversions.add(request.headers.get("OpenStack-API-Version"))
        path = path.removeprefix("/compute")
        if self.broken and path.startswith(self.broken):
            return 500, {"computeFault": {"message": "out of order"}}, {}
        if path == "/flavors/detail":
            return 200, {"flavors": [{"id": "2", "name": "big", "ram": 2048, "disk": 1, "vcpus": 1},
                                     {"id": "1", "name": "nano", "ram": 64, "disk": 1, "vcpus": 1}]}, {}
        if path.startswith("/os-quota-sets/p"):
            return self._quota(request.command, path, body)
        return (*self._servers(request.command, path, query, body), {})

    def _token(self, body: Any) -> tuple[int, Any, dict[str, str]]:
        if body["auth"]["identity"]["password"]["user"]["password"] != "right":
            return 401, {"error": {"message": "wrong password"}}, {}
        endpoints = {"compute": "/compute", "image": "/image"}
        catalog = [{"type": kind, "endpoints": [{"interface": "public", "region": "r", "region_id": "r",
                                                 "url": self.url + path}]} for kind, path in endpoints.items()]
        return 201, {"token": {"project": {"id": "p"}, "catalog": catalog}}, {"X-Subject-Token": "secret"}

    def _quota(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        if path.endswith("/defaults"):
            return 200, {"quota_set": {**self.defaults, "key_pairs": 100}}, {}
        if method == "PUT":
            values = {k: v for k, v in body["quota_set"].items() if k != "force"}
            self.quota |= values
            self.quota_calls.append(("PUT", values))
        elif method == "DELETE":
            self.quota = dict(self.defaults)
            self.quota_calls.append(("DELETE", {}))
            return 202, None, {}
        return 200, {"quota_set": {**self.quota, "key_pairs": 100}}, {}

    def _servers(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        if method == "POST" and len(parts) == 1:
            return 202, {"server": {"id": self._create(body["server"])}}
        if parts[1:] in ([], ["detail"]):
            return 200, {"servers": self._list(query, detail=bool(parts[1:]))}
        server = self.servers.get(parts[1])
        if server is None:
            return 404, {"itemNotFound": {"message": "no such server"}}
        if method == "DELETE":
            del self.servers[parts[1]]
            return 204, None
        if method == "POST":
            server["status"] = "SHUTOFF" if "os-stop" in body else "ACTIVE"
            return 202, None
        shown = dict(server)
        self._build(server)
        return 200, {"server": shown}

    def _create(self, wanted: dict[str, Any]) -> str:
        for number in range(wanted.get("min_count", 1)):
            server_id = str(uuid.uuid4())
            self.servers[server_id] = {"id": server_id, "name": f"{wanted['name']}-{number}", "status": "BUILD",
                                       "OS-EXT-STS:task_state": None, "flavor": wanted["flavorRef"],
                                       "image": wanted["imageRef"], "networks": wanted.get("networks")}
        self.most = max(self.most, len(self.servers))
        return server_id

    def _build(self, server: dict[str, Any]) -> None:
        if server["status"] == "BUILD":
            server["status"] = "ERROR" if self.fault else "ACTIVE"
            server["fault"] = {"message": self.fault}

    def _list(self, query: dict[str, list[str]], detail: bool) -> list[dict[str, Any]]:
        pattern, status = query.get("name", [""])[0], query.get("status", [None])[0]
        found = [s for s in self.servers.values() if re.search(pattern, s["name"]) and status in (None, s["status"])]
        shown = [dict(s) if detail else {"id": s["id"], "name": s["name"]} for s in found]
        for server in found:
            self._build(server)
        marker = query.get("marker", [None])[0]
        start = [s["id"] for s in shown].index(marker) + 1 if marker else 0
        return shown[start:start + int(query.get("limit", ["1000"])[0])]
