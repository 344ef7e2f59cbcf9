# SPDX-License-Identifier: Apache-2.0
"""The measures. Each works on servers of its own name, so that one can be run without the others."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

from .compute import BenchError, Cloud
from .figures import BY_KEY
from .processes import Daemons, Meter, spent
from .stats import Spread, percentile, rate, short
from .streams import Streams

#: Called with a description and how many steps there are; what it returns is called once per step.
Progress = Callable[[str, int | None], Callable[[], None]]


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much of everything."""

    boot: int = 200
    multi: int = 50
    one: int = 10
    act: int = 50
    servers: int = 1000
    requests: int = 500
    seconds: float = 5.0
    lists: int = 20
    clients: int = 16
    streams: int = 0
    pages: int = 0

    def titles(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Result:
    key: str
    value: float | None
    note: str = ""

    @property
    def failed(self) -> bool:
        return self.value is None


class Bench:
    """A run. ``spec`` is the body of a create without its name."""

    def __init__(self, cloud: Cloud, spec: dict[str, Any], amounts: Amounts, daemons: Daemons,
                 progress: Progress) -> None:
        self._cloud = cloud
        self._spec = spec
        self._amounts = amounts
        self._daemons = daemons
        self._progress = progress

    def memory(self) -> list[Result]:
        if not self._daemons:
            return []
        self._progress("memory idle", None)()
        first, *others = self._daemons.names or [""]
        usage = (self._daemons.only(first) if first else self._daemons).usage()
        if not usage.pss:
            return [Result("memory", None, "no process matches --pids, --pattern or --tree, or none may be read")]
        beside = "".join(f"; {name} {self._daemons.only(name).usage().memory() / 2**20:.0f} MiB" for name in others)
        return [Result("memory", usage.memory() / 2**20, f"{len(usage.pss)} processes{beside}"),
                Result("memory_largest", usage.largest() / 2**20)]

    def boot(self) -> list[Result]:
        """Many creates, some at a time, until the last server is ACTIVE; then all of them deleted."""
        count = self._amounts.boot
        meter, started = Meter(self._daemons), time.perf_counter()
        self._boot("boot-", count)
        seconds, cpu = self._settled("boot-", "BUILD", started), meter.read(count)
        self._all_are("boot-", count, "ACTIVE")
        results = [Result("boot", rate(count, seconds), f"{count} in {short(seconds)} s")]
        if self._daemons:
            results.append(Result("boot_cpu", *cpu))
        return results + self._delete(count)

    def _delete(self, count: int) -> list[Result]:
        ids = self._cloud.ids("boot-")
        step = self._progress(f"delete {count}", count)
        meter, started = Meter(self._daemons), time.perf_counter()
        self._cloud.every(self._cloud.delete, ids, step)
        seconds = self._cloud.wait_until_none("boot-", _nothing) - started
        results = [Result("delete", rate(len(ids), seconds), f"{len(ids)} in {short(seconds)} s")]
        if self._daemons:
            results.append(Result("delete_cpu", *meter.read(len(ids))))
        return results

    def multi(self) -> list[Result]:
        count = self._amounts.multi
        self._progress(f"one request for {count} servers", None)()
        started = time.perf_counter()
        self._cloud.create("multi", self._spec, min_count=count, max_count=count)
        seconds = self._settled("multi", "BUILD", started)
        self._all_are("multi", count, "ACTIVE")
        self._cloud.clean(_nothing, "multi")
        return [Result("multi", rate(count, seconds), f"{count} in {short(seconds)} s")]

    def one(self) -> list[Result]:
        step = self._progress("one server after another", self._amounts.one)
        samples = []
        for number in range(self._amounts.one):
            started = time.perf_counter()
            server_id = self._cloud.create(f"one-{number}", self._spec)
            self._cloud.wait_for(server_id, "ACTIVE")
            samples.append(time.perf_counter() - started)
            self._cloud.delete(server_id)
            step()
        self._cloud.clean(_nothing, "one-")
        return [self._latency("one", samples)]

    def act(self) -> list[Result]:
        """Stop and start of many servers, until all have settled."""
        count = self._amounts.act
        started = time.perf_counter()
        self._boot("act-", count)
        self._settled("act-", "BUILD", started)
        ids = self._cloud.ids("act-")
        results = []
        for action, key, leaves, reaches in (("os-stop", "stop", "ACTIVE", "SHUTOFF"),
                                             ("os-start", "start", "SHUTOFF", "ACTIVE")):
            step = self._progress(f"{key} {count}", count)
            meter, started = Meter(self._daemons), time.perf_counter()
            self._cloud.every(functools.partial(self._cloud.act, action), ids, step)
            seconds, cpu = self._settled("act-", leaves, started), meter.read(count)
            self._all_are("act-", count, reaches)
            results.append(Result(key, seconds))
            if self._daemons:
                results.append(Result(f"{key}_cpu", *cpu))
        self._cloud.clean(_nothing, "act-")
        return results

    def reads(self) -> list[Result]:
        server_id = self._cloud.create("show", self._spec)
        self._cloud.wait_for(server_id, "ACTIVE")
        path = f"/servers/{server_id}"
        results = [self._latency("show", self._one_client("GET /servers/ID", path, self._amounts.requests)),
                   self._many_clients("show_rate", "GET /servers/ID", path),
                   self._many_clients("flavors", "GET /flavors/detail", "/flavors/detail")]
        self._cloud.clean(_nothing, "show")
        return results

    def lists(self) -> list[Result]:
        """Lists with many servers; the API's own page limit holds, so 1,000 is one page."""
        count = self._amounts.servers
        step = self._progress(f"{count} servers to list", count)
        left = count
        while left:
            part = min(left, 50)
            self._cloud.create(f"list-{left}", self._spec, min_count=part, max_count=part)
            self._cloud.wait_until_none("list-", _nothing, status="BUILD")
            left -= part
            for _ in range(part):
                step()
        self._all_are("list-", count, "ACTIVE")
        results = []
        for key, path in (("detail", "/servers/detail"), ("list", "/servers")):
            results.append(self._latency(key, self._one_client(f"GET {path}", path, self._amounts.lists)))
        self._cloud.clean(self._progress("delete them", None), "list-")
        return results

    def pages(self) -> list[Result]:
        """Only when asked for: pages of the servers that ``tools/bench-seed`` makes, and what filters find there."""
        if not self._amounts.pages:
            return []
        markers = [""]
        for _ in range(1, self._amounts.pages):
            page = self._cloud.get(f"/servers?limit=1000{markers[-1]}")["servers"]
            if len(page) < 1000:
                raise BenchError(f"the project has less than {self._amounts.pages} pages of 1,000 servers")
            markers.append(f"&marker={page[-1]['id']}")
        asked = {"page_first": "", "page_late": markers[-1], "by_tag": "&tags=rare", "by_ip": "&ip=10.100.1.1",
                 "by_status": "&status=SHUTOFF", "by_name": "&name=server-001"}
        return [self._page(key, query) for key, query in asked.items()]

    def _page(self, key: str, query: str) -> Result:
        path = f"/servers/detail?limit=1000{query}"
        before = self._daemons.cpu()
        samples = self._one_client(f"GET {path}", path, self._amounts.lists)
        cpu = spent(before, self._daemons.cpu()) / (len(samples) + min(10, self._amounts.lists))
        found = len(self._cloud.get(path)["servers"])
        note = f"{found} servers, best {short(min(samples) * 1000)} ms"
        return Result(key, percentile(samples, 0.5) * 1000,
                      note + (f", processor {short(cpu * 1000)} ms" if self._daemons else ""))

    # -- pieces

    def _boot(self, name: str, count: int) -> None:
        step = self._progress(f"boot {count}", count)
        self._cloud.every(lambda number: self._cloud.create(f"{name}{number}", self._spec), range(count), step)

    def _settled(self, name: str, status: str, started: float) -> float:
        """Seconds since ``started`` until no server of that name has the status any more."""
        step = self._progress(f"wait until none is {status}", None)
        return self._cloud.wait_until_none(name, step, status=status) - started

    def _all_are(self, name: str, count: int, status: str) -> None:
        """Every server has arrived; one that has not is an error of the cloud, and the figure is void."""
        deadline = time.perf_counter() + 30
        while True:
            servers = self._cloud.details(name)
            wrong = [s for s in servers if s["status"] != status or s.get("OS-EXT-STS:task_state")]
            if len(servers) == count and not wrong:
                return
            failed = [s for s in wrong if s["status"] == "ERROR"]
            if failed or time.perf_counter() > deadline:
                why = failed[0].get("fault", {}).get("message", "") if failed else ""
                raise BenchError(f"{count - len(servers) + len(wrong)} of {count} servers are not {status}"
                                 + (f"; the first says: {why}" if why else ""))
            time.sleep(0.2)

    def _one_client(self, title: str, path: str, count: int) -> list[float]:
        step = self._progress(f"{title}, one client", count)
        for _ in range(min(10, count)):
            self._cloud.call("GET", path)
        samples = []
        for _ in range(count):
            started = time.perf_counter()
            self._cloud.call("GET", path)
            samples.append(time.perf_counter() - started)
            step()
        return samples

    def _many_clients(self, key: str, title: str, path: str) -> Result:
        """How many answers a second several clients get that each ask again at once."""
        clients, seconds = self._amounts.clients, self._amounts.seconds
        self._progress(f"{title}, {clients} clients", None)()
        taken, lasted = self._cloud.crowd(path, clients, seconds)
        return Result(key, rate(len(taken), lasted), Spread.of(taken).text())

    def streams(self) -> list[Result]:
        """Only when asked for: many clients that listen, what they cost, and what others notice of them."""
        count = self._amounts.streams
        if not count:
            return []
        self._progress(f"{count} streams", None)()
        server = self._cloud.create("stream-0", self._spec)
        self._cloud.wait_for(server, "ACTIVE")
        show, calm = f"/servers/{server}", self._p99(f"/servers/{server}")
        before = self._daemons.usage()
        results = []
        with Streams(self._cloud.session, count) as streams:
            streams.until(b"event: ready")
            usage = self._daemons.usage()
            time.sleep(self._amounts.seconds)
            idle = spent(usage.cpu, self._daemons.cpu()) / self._amounts.seconds
            if self._daemons:
                results += [Result("streams_memory", (usage.memory() - before.memory()) / 2**20, "of all processes"),
                            Result("streams_cpu", idle)]
            results.append(Result("streams_show", self._p99(show), f"{calm:.1f} ms without streams"))
            answered: list[float] = []

            def create() -> None:
                self._cloud.create("stream-1", self._spec)
                answered.append(time.perf_counter())

            last = streams.until(b"event: server.created", create)
            results.append(Result("streams_event", (last - answered[0]) * 1000, "after the 202"))
        self._cloud.clean(_nothing, "stream-")
        return results

    def _p99(self, path: str) -> float:
        """Of requests of all clients, in milliseconds."""
        taken, _ = self._cloud.crowd(path, self._amounts.clients, self._amounts.seconds)
        return percentile(taken, 0.99) * 1000

    def _latency(self, key: str, samples: list[float]) -> Result:
        return Result(key, percentile(samples, 0.5) * 1000, Spread.of(samples).text())


def _nothing() -> None:
    return None


#: The order of a run: memory first, while nothing has happened yet.
MEASURES = ("memory", "boot", "multi", "one", "act", "reads", "lists", "pages", "streams")


def keys(measure: str) -> tuple[str, ...]:
    """The rows that a measure fills."""
    return {"memory": ("memory", "memory_largest"), "boot": ("boot", "boot_cpu", "delete", "delete_cpu"),
            "act": ("stop", "stop_cpu", "start", "start_cpu"), "reads": ("show", "show_rate", "flavors"),
            "lists": ("detail", "list"),
            "pages": ("page_first", "page_late", "by_tag", "by_ip", "by_status", "by_name"),
            "streams": ("streams_memory", "streams_cpu", "streams_event", "streams_show"),
            }.get(measure, (measure,))


assert all(key in BY_KEY for measure in MEASURES for key in keys(measure))
