# SPDX-License-Identifier: Apache-2.0
"""The parts of the HTTP kernel that fronts share: times, pages, routing, mounts, health, fault styles, serving."""

from __future__ import annotations

import gc
import http.client
from pathlib import Path
from typing import Any

import orjson
import pytest

from nova import concurrency, errors
from nova.web import faults, paging, timestamps, validation
from nova.web.health import Health
from nova.web.request import Request
from nova.web.routing import Router
from nova.web.server import Server, split_address
from nova.web.urlmap import URLMap
from tests.unit.web.conftest import caller, make_front


def test_times_there_and_back() -> None:
    assert timestamps.iso(1795211744.999) == "2026-11-20T21:55:44Z"
    assert timestamps.micro(1795211744.5) == "2026-11-20T21:55:44.500000"
    assert timestamps.micro(1795211744.9999999) == "2026-11-20T21:55:45.000000"
    assert timestamps.iso(None) is timestamps.micro(None) is None
    for text in ("2026-11-20T21:55:44Z", "2026-11-20T22:55:44+01:00", "2026-11-20T21:55:44", "2026-11-20 21:55:44"):
        assert timestamps.parse(text) == 1795211744.0
    for text in ("yesterday", "", "2026-13-01T00:00:00Z", "1"):
        with pytest.raises(errors.Invalid):
            timestamps.parse(text)


def _request(query: dict[str, list[str]]) -> Request:
    request = Request({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "/v2.1", "HTTP_HOST": "h",
                       "SERVER_NAME": "h", "SERVER_PORT": "80", "wsgi.url_scheme": "http"})
    request.args = query
    return request


def test_pages() -> None:
    assert paging.limit_of(_request({}), 1000) == 1000
    assert paging.limit_of(_request({"limit": ["0"]}), 1000) == 1000
    assert paging.limit_of(_request({"limit": ["5", "7"]}), 1000) == 7
    assert paging.limit_of(_request({"limit": ["99999999999999999999"]}), 1000) == 1000
    for bad in ("-1", "x"):
        with pytest.raises(errors.Invalid):
            paging.limit_of(_request({"limit": [bad]}), 1000)
    link = paging.next_link(_request({"limit": ["1"], "marker": ["a"], "name": ["ä b"]}), "things", "b")
    assert link == [{"rel": "next", "href": "http://h/v2.1/things?limit=1&name=%C3%A4+b&marker=b"}]


def test_the_router_prefers_what_is_written_out() -> None:
    paths = ["/", "/a", "/a/{id}", "/a/b", "/a/{id}/c", "/a/b/{x}", "/n/{id:[0-9]+}", "/{project}/z"]
    router = Router[str]((path, path) for path in paths)
    expected = {"/": ("/", {}), "/a/": ("/a", {}), "/a/7": ("/a/{id}", {"id": "7"}), "/a/b": ("/a/b", {}),
                "/a/7/c": ("/a/{id}/c", {"id": "7"}), "/a/b/c": ("/a/b/{x}", {"x": "c"}), "/n/12": (
                    "/n/{id:[0-9]+}", {"id": "12"}), "/p/z": ("/{project}/z", {"project": "p"})}
    for path, found in expected.items():
        assert router.match(path) == found, path
    for path in ("/b", "/n/x", "/a/b/c/d", "/p/y"):
        assert router.match(path) is None


@pytest.mark.parametrize(("kind", "good", "bad"), [
    ("uuid", "60410716-a418-49db-98b2-cc5c5a48e5dd", "60410716"), ("ipv4", "10.0.0.1", "10.0.0.300"),
    ("ipv6", "fe80::1", "10.0.0.1"), ("cidr", "10.0.0.0/8", "10.0.0.0/99"),
    ("date-time", "2026-01-01T00:00:00Z", "soon"), ("base64", "aGFsbG8=", "aGFsbG8"), ("name", "my server", " x"),
    ("name", "größe", "a\tb"), ("ip", "::1", "x")])
def test_formats(kind: str, good: str, bad: str) -> None:
    validator = validation.Validator({"type": "object", "properties": {"v": {"type": "string", "format": kind}}})
    validator.check({"v": good})
    with pytest.raises(errors.Invalid, match="Invalid input for field/attribute v"):
        validator.check({"v": bad})


@pytest.mark.parametrize("several", [
    {"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}], ids=["plain", "any"])
@pytest.mark.parametrize("depth", [0, 1])
def test_thousands_of_faults_leave_nothing_for_the_collector(several: dict[str, Any], depth: int) -> None:
    """A collection that comes while they are there would keep them for long."""
    schema: dict[str, Any] = {"type": "array", "items": several}
    schema = {"oneOf": [schema, {"type": "null"}]} if depth else schema
    validator = validation.Validator(schema)

    def refuse() -> str:
        with pytest.raises(errors.Invalid) as refused:
            validator.check(list(range(3000)))
        return str(refused.value)

    assert " is not " in refuse()
    gc.collect()
    gc.disable()
    try:
        refuse()
        assert gc.collect() < 300
    finally:
        gc.enable()


def test_mounts_and_health() -> None:
    def broken() -> None:
        raise errors.Unavailable("The api database is not reachable now.")

    checks = {"database": lambda: None}
    health = Health(checks)
    front = make_front()
    call = caller(URLMap({"/compute/v2.1": front, "/compute": front}, health))
    assert call("GET", "/compute/v2.1/things/7", SCRIPT_NAME="").body["links"][0]["href"] == \
        "http://cloud:80/compute/v2.1/things/7"
    assert call("GET", "/computer/things", SCRIPT_NAME="").status == 404
    assert call("GET", "/healthz").body == {"status": "ok"}
    assert call("GET", "/readyz").body == {"status": "ok", "checks": {"database": "ok"}}
    failing = caller(URLMap({}, Health({**checks, "bus": broken, "odd": lambda: 1 / 0})))
    answer = failing("GET", "/readyz")
    assert answer.status == 503
    assert answer.body["checks"] == {"database": "ok", "bus": "The api database is not reachable now.",
                                     "odd": "ZeroDivisionError"}


def test_metrics_count_by_template_not_by_path() -> None:
    call = caller(make_front())
    for number in range(3):
        call("GET", f"/things/{number}")
    call("GET", "/nowhere/at/all")
    text = call("GET", "/metrics").raw.decode()
    assert 'nova_http_requests_total{api="test",method="GET",route="/things/{id}",status="200"} 3.0' in text
    assert 'route="none",status="404"} 1.0' in text
    assert "/things/1" not in text


@pytest.mark.parametrize(("style", "accept", "kind", "piece"), [
    (faults.ComputeFaults(), "", "application/json", b'{"itemNotFound":{"code":404,"message":"no <x>"}}'),
    (faults.IdentityFaults(), "", "application/json", b'{"error":{"code":404,"message":"no <x>","title":"Not Found"}}'),
    (faults.ImageFaults(), "application/json", "application/json", b'"message":"no <x>"'),
    (faults.ImageFaults(), "", "text/html", b"no &lt;x&gt;<br />"),
    (faults.PlacementFaults(), "", "application/json", b'"detail":"no <x>"')])
def test_fault_styles(style: Any, accept: str, kind: str, piece: bytes) -> None:
    fault = faults.from_error(errors.NotFound("no <x>"), "req-1")
    content_type, body = style.render(fault, {"HTTP_ACCEPT": accept})
    assert content_type.startswith(kind)
    assert piece in body


def test_placement_tells_its_versions() -> None:
    fault = faults.from_error(errors.NotAcceptable("no", min_version="1.0", max_version="1.39"), "req-1")
    entry = orjson.loads(faults.PlacementFaults().render(fault, {})[1])["errors"][0]
    assert (entry["min_version"], entry["max_version"], entry["request_id"]) == ("1.0", "1.39", "req-1")


def test_a_server_serves_and_stops_with_work_done() -> None:
    begun, go_on = concurrency.Event(), concurrency.Event()

    def slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            begun.set()
            go_on.wait(120)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    server = Server(slow, "127.0.0.1:0", 2)
    server.start()
    with pytest.raises(errors.ConfigError, match=rf"\[wsgi\] listen 127.0.0.1:{server.port}"):
        Server(slow, f"127.0.0.1:{server.port}").start()
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    client.request("GET", "/")
    assert client.getresponse().read() == b"done"
    client.request("GET", "/slow")
    assert begun.wait(120)
    stopping = concurrency.spawn(server.stop, 10, name="stop")
    go_on.set()
    assert client.getresponse().read() == b"done"
    client.close()
    assert stopping.join(120)
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=120).connect()


def test_a_crowd_that_is_always_refused_leaves_threads_for_others() -> None:
    """Requests of one who sends nothing but mistakes hang; those of another are answered meanwhile."""
    hung, go_on = concurrency.Queue(), concurrency.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/hang":
            hung.put(None)
            go_on.wait(120)
        start_response("404 Not Found" if environ["PATH_INFO"] != "/" else "200 OK", [("Content-Length", "4")])
        return [b"done"]

    def ask(path: str, token: str) -> http.client.HTTPConnection:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        client.request("GET", path, headers={"X-Auth-Token": token})
        return client

    server = Server(app, "127.0.0.1:0", 8)
    server.start()
    clumsy = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    for _ in range(30):
        clumsy.request("GET", "/nothing", headers={"X-Auth-Token": "clumsy"})
        assert clumsy.getresponse().read() == b"done"
    clumsy.close()
    crowd = [ask("/hang", "clumsy") for _ in range(20)]
    for _ in range(2):
        hung.get(timeout=120)  # a quarter of the threads
    other = ask("/", "other")
    assert other.getresponse().status == 200
    other.close()
    assert hung.empty()
    go_on.set()
    for client in crowd:
        assert client.getresponse().status == 404
        client.close()
    server.stop()


def test_workers_wake_the_loop_once_until_it_has_looked() -> None:
    """Each of them would stand in line for the pipe; the loop finds what all of them have done."""

    class Pipe:
        _closed = False
        written = read = 0

        def _physical_pull(self) -> None:
            self.written += 1

        def recv(self, size: int) -> bytes:
            self._physical_pull()  # a worker comes while the pipe is read: what it did is looked at next
            self.read = self.written
            return b"x"

    pipe = Pipe()
    Server(lambda environ, start: [], "127.0.0.1:0")._guard(pipe)
    for _ in range(3):
        pipe._physical_pull()
    assert pipe.written == 1
    pipe.recv(1)
    assert pipe.written == pipe.read == 1
    pipe._physical_pull()
    assert pipe.written == 2, "who comes after the pipe was read wakes the loop again"
    pipe.recv(1)
    pipe._closed = True
    pipe._physical_pull()
    assert pipe.written == 2


def test_a_loop_that_ends_by_itself_waits_for_who_stops_it() -> None:
    """It may look at its clock between the order to end and the pull that wakes it, which needs what the end closes."""
    server = Server(make_front(), "127.0.0.1:0", 1)
    server.start()
    task, trigger = server._task, server._server.trigger
    assert task is not None
    pull = trigger._physical_pull
    asked: list[None] = []

    def late() -> None:
        if not asked:
            task.join(1.5)
        asked.append(None)
        pull()

    trigger._physical_pull = late
    server.stop()
    assert task.join(120)
    trigger.pull_trigger()  # as a worker does that was too slow: nothing is written to what is closed


def test_a_unix_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    listen = f"unix:{tmp_path / 'api.sock'}"
    front = make_front()
    first = Server(front, listen, 1)
    first.start()
    with pytest.raises(errors.ConfigError, match=r"\[wsgi\] listen unix:"):
        Server(front, listen, 1).start()
    first.stop()
    assert not (tmp_path / "api.sock").exists()


def test_addresses() -> None:
    assert split_address("127.0.0.1:8774") == ("127.0.0.1", 8774)
    assert split_address("[::1]:80") == ("::1", 80)
    for bad in ("127.0.0.1", "host:port", "h:99999"):
        with pytest.raises(errors.ConfigError, match="write host:port"):
            split_address(bad)
