# SPDX-License-Identifier: Apache-2.0
"""Parts of the benchmark: statistics, arguments, credentials, the HTTP client, readings of /proc, the report."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.benchlib import auth, report, stats
from tools.benchlib.figures import BY_KEY
from tools.benchlib.main import chosen, parser
from tools.benchlib.measures import Amounts, Result
from tools.benchlib.processes import Daemons, Meter, spent
from tools.benchlib.wire import Connection, WireError


@pytest.mark.parametrize(("samples", "share", "expected"), [
    ([5], 0.5, 5), ([3, 1, 2], 0.5, 2), ([1, 2, 3, 4], 0.5, 2.5), ([1, 2], 1, 2), ([1, 2], 0, 1),
    (list(range(101)), 0.95, 95), ([10, 20], 0.25, 12.5),
])
def test_percentile(samples: list[float], share: float, expected: float) -> None:
    assert stats.percentile(samples, share) == expected


def test_numbers_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError):
        stats.percentile([], 0.5)
    with pytest.raises(ValueError):
        stats.percentile([1], 2)
    with pytest.raises(ValueError):
        stats.rate(1, 0)


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (3330, "3,330"), (0.0512, "0.0512"), (2.345, "2.35"),
                                             (39.96, "40.0"), (123.4, "123"), (0.79, "0.790")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert stats.short(value) == text


def test_spread_is_in_milliseconds() -> None:
    spread = stats.Spread.of([0.001, 0.002, 0.003])
    assert (spread.count, spread.p50, spread.worst) == (3, 2.0, 3.0)


def test_defaults_of_the_arguments_are_those_of_the_budgets() -> None:
    args = parser().parse_args([])
    assert Amounts(**{n: getattr(args, n) for n in Amounts.__dataclass_fields__}) == Amounts()
    assert (args.boot, args.multi, args.act, args.servers, args.clients) == (200, 50, 50, 1000, 16)
    assert args.reference is None and parser().parse_args(["--reference"]).reference == ""


@pytest.mark.parametrize("arguments", [
    ["--only", "boot,nonsense"], ["--boot", "0"], ["--boot", "many"], ["--pids", "1,x"], ["--pattern", "("],
    ["-f", "xml"], ["--clients", "-3"], ["unknown"],
])
def test_bad_arguments_end_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    assert ended.value.code == 2 and "error:" in capsys.readouterr().err


def test_measures_run_in_their_order() -> None:
    assert chosen(["lists", "boot"], []) == ["boot", "lists"]
    assert chosen(None, ["lists", "memory"]) == ["boot", "multi", "one", "act", "reads", "pages", "streams"]


@pytest.mark.parametrize(("given", "user", "scope"), [
    ({"username": "u", "password": "p", "project_name": "x"}, {"name": "u", "domain": {"id": "default"}},
     {"project": {"name": "x", "domain": {"id": "default"}}}),
    ({"user_id": "1", "password": "p", "project_id": "2"}, {"id": "1"}, {"project": {"id": "2"}}),
    ({"username": "u", "password": "p", "user_domain_name": "D", "project_name": "x", "project_domain_name": "E"},
     {"name": "u", "domain": {"name": "D"}}, {"project": {"name": "x", "domain": {"name": "E"}}}),
])
def test_bodies_of_token_requests(given: dict[str, str], user: dict[str, Any], scope: dict[str, Any]) -> None:
    body = auth.body(given)["auth"]
    assert body["identity"]["password"]["user"] == {**user, "password": "p"} and body["scope"] == scope


def test_tokens_and_application_credentials() -> None:
    assert auth.body({"token": "t"}) == {"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}}}}
    made = auth.body({"application_credential_id": "a", "application_credential_secret": "s"})["auth"]["identity"]
    assert made["application_credential"] == {"id": "a", "secret": "s"}
    with pytest.raises(auth.AuthError):
        auth.body({"username": "u"})


def test_endpoints_are_those_of_region_and_interface() -> None:
    catalog = [{"type": "compute", "endpoints": [
        {"interface": "admin", "region_id": "a", "url": "http://x/1/"},
        {"interface": "public", "region_id": "b", "url": "http://x/2/"}]}]
    assert auth.endpoint(catalog, ("compute",), None, "public") == "http://x/2"
    assert auth.endpoint(catalog, ("other", "compute"), "a", "admin") == "http://x/1"
    assert auth.endpoint(catalog, ("compute",), "a", "public") is None


@pytest.fixture
def speaks() -> Iterator[Callable[[list[list[bytes]]], str]]:
    """``speaks([[a, b], [c]])`` listens; the first connection is answered a then b, the second c, then closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(connections: list[list[bytes]]) -> str:
        def serve() -> None:
            for answers in connections:
                peer, _ = listener.accept()
                with peer:
                    for answer in answers:
                        received = b""
                        while b"\r\n\r\n" not in received:
                            received += peer.recv(65536)
                        peer.sendall(answer)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/base"

    yield start
    for thread in threads:
        thread.join(120)
    listener.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(("answer", "status", "body"), [
    (OK, 200, b"hi"), (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"hi"), (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n", 200,
     b"abcde"),
])
def test_answers_in_all_forms(speaks: Callable[..., str], answer: bytes, status: int, body: bytes) -> None:
    connection = Connection(speaks([[answer]]), timeout=120)
    got = connection.request("GET", "/x")
    connection.close()
    assert (got.status, got.body) == (status, body)


def test_a_kept_connection_that_closed_is_opened_again_but_not_for_a_post(speaks: Callable[..., str]) -> None:
    connection = Connection(speaks([[OK], [OK]]), timeout=120)
    assert connection.request("GET", "/a").body == b"hi"
    assert connection.request("GET", "/b").body == b"hi"
    with pytest.raises(WireError):
        connection.request("POST", "/c", {})


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", b""])
def test_what_is_not_an_answer_is_an_error(speaks: Callable[..., str], answer: bytes) -> None:
    connection = Connection(speaks([[answer]]), timeout=120)
    with pytest.raises(WireError):
        connection.request("GET", "/x")


def test_readings_of_proc(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    for pid, name, time in ((7, "nova-api", 2), (8, "other", 5)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(f"python\0{name}\0".encode())
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S " + "0 " * 10 + f"{time * ticks} {ticks} 0 0 20")
        (tmp_path / str(pid) / "smaps_rollup").write_text("x\nRss: 9 kB\nPss:     2048 kB\nPss_Anon: 1 kB\n")
    daemons = Daemons(patterns=["nova-"], proc=str(tmp_path))
    assert daemons.pids() == [7] and daemons.cpu() == {7: 3.0}
    assert daemons.usage().memory() == 2 << 20
    assert Daemons([7, 8, 9], proc=str(tmp_path)).pids() == [7, 8]
    assert spent({7: 1.0, 9: 4.0}, {7: 3.0, 8: 0.5}) == 2.5
    assert not Daemons() and Daemons([1])


def test_a_tree_is_a_process_with_all_that_descend_from_it(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")

    def process(pid: int, parent: int, seconds: int, waited: int = 0) -> None:
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        times = f"{seconds * ticks} 0 {waited * ticks} 0"
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) S {parent} " + "0 " * 9 + f"{times} 20")

    for pid, parent in ((7, 1), (8, 7), (9, 8), (10, 1), (11, 10), (12, 1)):
        process(pid, parent, seconds=1)
    daemons = Daemons(proc=str(tmp_path), trees={"ours": 7, "theirs": 10})
    assert daemons.pids() == [7, 8, 9, 10, 11] and daemons.only("theirs").pids() == [10, 11]
    meter = Meter(daemons)
    process(8, 7, seconds=3, waited=2)  # it has waited for the end of 9, which had spent 1 s more
    shutil.rmtree(tmp_path / "9")
    process(11, 10, seconds=2)
    process(13, 10, seconds=1)
    assert meter.read(2) == (2.5, "ours 1.500, theirs 1.000")


def test_own_processes_can_be_read() -> None:
    usage = Daemons([os.getpid()]).usage()
    assert usage.memory() > 1 << 20 and usage.cpu[os.getpid()] > 0


@pytest.mark.parametrize(("key", "value", "factor", "reached"), [
    ("boot", 46.0, 20, True), ("boot", 23.0, 10, False), ("show", 4.0, 10, False), ("show", 2.0, 20, True),
    ("boot", None, None, None), ("memory_largest", 5.0, None, None),
])
def test_rows_compare_with_the_reference(key: str, value: float | None, factor: float | None,
                                         reached: bool | None) -> None:
    row = report.rows([Result(key, value)], Amounts().titles(), report.built_in())[0]
    assert row["factor"] == (None if factor is None else pytest.approx(factor)) and row["reached"] is reached
    assert row["title"] == BY_KEY[key].title.format(**Amounts().titles())


def test_an_earlier_run_is_a_reference() -> None:
    made = report.rows([Result("boot", 40.0), Result("one", None, "broke")], Amounts().titles(), None)
    assert report.from_json(report.as_json(made, {})) == {"boot": 40.0}
