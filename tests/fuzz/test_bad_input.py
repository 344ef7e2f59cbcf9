# SPDX-License-Identifier: Apache-2.0
"""A cloud under bad input: every answer is a documented one, its memory stays, and another client does not notice.

One minute, ten at full length, without the pauses that a cloud makes between such requests; with them for a while, in
which another client measures what it waits. Each request is drawn from the seed; what the cloud had become by then is
not.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from nova.api import compute
from nova.cmd.policy import routes
from nova.web.openapi import at, plain
from nova.web.routing import Route
from nova.web.versions import Version
from tests.api.compute.bodies import smallest
from tests.api.compute.world import earliest, latest
from tests.conformance import cloud
from tests.fuzz import spoil
from tests.fuzz.client import Http, Site
from tests.fuzz.conftest import LONG, PATIENCE
from tests.fuzz.neighbour import Neighbour

pytestmark = pytest.mark.timeout(PATIENCE)
SECONDS = 600 if LONG else 60
WORKERS = 2
#: What the process may grow by after the first quarter, in MiB. Pools and caches fill; leaks do not end.
GROWTH = 40
LIMIT = 114688
ENDLESS = ("/servers/events",)
#: Would take away what the other requests need; they are sent to what is not there.
FINAL = ("forceDelete", "shelveOffload")
SPOILING = ("/os-quota-sets/{id}", "/os-quota-class-sets/{id}", "/os-services/{id}", "/os-hosts/{id}")
QUERIES = ("", "limit=x", "limit=-1", "limit=99999999999999999999", "marker=%27", "marker=nope",
           "sort_key=;&sort_dir=up", "all_tenants=maybe", "changes-since=no", "name=(", "name=%28%28a*)*b",
           "status=&tags=,", "%00=1", "a=%ff", "_x=1", "limit=1&limit=2", "a=" + "b" * 5000, "ip=[",
           "deleted=1&deleted=0", "user_id=%F0%9F%98%80", "&&=&", "a[]=1")


@contextlib.contextmanager
def site(directory: Path, **options: str) -> Iterator[Site]:
    with cloud.running(sys.executable, directory, options):
        yield Site(directory)
        assert cloud.troubles(directory) == []


class Documents:
    """The statuses that /openapi.json tells of."""

    def __init__(self, site: Site) -> None:
        api = Http(site.port, site.tokens)
        self._kept = dict[Version, Any]()

        for version in {find(route) for route in routes(compute) for find in (earliest, latest)}:
            path = f"/openapi.json?microversion={version}"
            self._kept[version] = api("GET", path, front="/compute").body["paths"]
        api.close()

    def statuses(self, route: Route, version: Version) -> set[int]:
        told = self._kept[version][plain(route.path)][route.method.lower()]["responses"]
        return {int(status) for status in told}


class Fuzzer(threading.Thread):
    """Sends one request after the other; ``wrong`` holds what was answered as it must not be."""

    def __init__(self, site: Site, documents: Documents, seed: int, until: float) -> None:
        super().__init__(daemon=True)
        self._site, self._documents, self._draw, self._until = site, documents, random.Random(seed), until
        self._api = Http(site.port, site.tokens)
        self._routes = [route for route in routes(compute) if route.path not in (*ENDLESS, "/")]
        self.statuses: collections.Counter[int] = collections.Counter()
        self.kinds: collections.Counter[str] = collections.Counter()
        self.asked: set[str] = set()
        self.wrong: list[str] = []

    def run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)  # it takes a core that others need as well
        try:
            while time.monotonic() < self._until and len(self.wrong) < 50:
                self._one(self._draw.choice(self._routes))
        except Exception as e:
            self.wrong.append(f"the client ended: {e!r}")
        finally:
            self._api.close()

    def _one(self, route: Route) -> None:
        draw = self._draw
        version = draw.choice((earliest(route), latest(route)))
        who = draw.choice(("admin", "admin", "demo", "demo", "other"))
        path, real = self._path(route, who)
        headers = {"X-Auth-Token": self._site.tokens[who], "OpenStack-API-Version": f"compute {version}"}
        allowed, raw, kind = self._documents.statuses(route, version), b"", "query"
        if route.method in ("POST", "PUT"):
            schema = at(route.body, version)
            body = spoil.spoil(draw, self._good(route, schema), schema, route.action)
            raw, kind, headers["Content-Type"] = body.raw, body.kind, body.media
            if body.status is not None:
                allowed = {body.status}
        elif draw.random() < 0.5:
            path += "?" + draw.choice(QUERIES)
        if draw.random() < 0.03:
            headers["OpenStack-API-Version"] = f"compute {draw.choice(('2.9999', '1.0', '3.1'))}"
            allowed, kind = {406}, "version"
        if len(raw) > LIMIT:
            allowed = {413}
        elif not real:
            allowed = allowed | {404}  # some texts cannot be a part of a path
        status, answer = self._api.send(route.method, "/compute/v2.1" + path, raw, headers)
        self.statuses[status] += 1
        self.kinds[kind] += 1
        self.asked.add(route.template)
        if status not in allowed or (who == "other" and self._site.ids["/servers/{id}"] in path and status < 300):
            self.wrong.append(f"{route.method} {path} {kind} by {who} at {version}: {status}, not {sorted(allowed)}; "
                              f"{raw[:300]!r} → {answer[:300]!r}")

    def _path(self, route: Route, who: str) -> tuple[str, bool]:
        """The path, and whether it names what is really there."""
        real = self._draw.random() < 0.7
        last = route.method == "DELETE" or route.action in FINAL or plain(route.path).startswith(SPOILING)
        if last and not (who == "other" and route.path.startswith("/servers/")):
            real = False
        values = {}
        for found in re.finditer(r"{([^}:]+)[^}]*}", route.path):
            template = plain(route.path[:found.end()])
            odd = quote(self._draw.choice(spoil.IDS), safe="%/.*{}'-") if self._draw.random() < 0.5 else "nothing"
            values[found[1]] = self._site.id(template) if real else odd
        return plain(route.path).format(**values), real

    def _good(self, route: Route, schema: dict[str, Any] | None) -> Any:
        if schema is None:
            return {route.action: None} if route.action else None
        body = smallest(schema)
        if route.template == "POST /servers" and self._draw.random() < 0.5:
            body["server"] |= {"imageRef": self._site.image, "flavorRef": self._site.flavor}
        return body


def _fuzz(site: Site, seed: int, seconds: float) -> list[Fuzzer]:
    """Fuzzers that have begun."""
    documents, until = Documents(site), time.monotonic() + seconds
    fuzzers = [Fuzzer(site, documents, seed + n, until) for n in range(WORKERS)]
    for fuzzer in fuzzers:
        fuzzer.start()
    return fuzzers


def _told(fuzzers: list[Fuzzer]) -> tuple[str, list[str]]:
    """What they did, and what was wrong, when they have ended."""
    for fuzzer in fuzzers:
        fuzzer.join(2 * SECONDS + 120)
    statuses: collections.Counter[int] = sum((f.statuses for f in fuzzers), collections.Counter())
    asked, wrong = set().union(*(f.asked for f in fuzzers)), [line for f in fuzzers for line in f.wrong]
    told = ", ".join(f"{n} × {status}" for status, n in sorted(statuses.items()))
    return f" {sum(statuses.values())} bad requests to {len(asked)} operations: {told}; {len(wrong)} wrong.", wrong


def test_bad_input_is_refused_and_memory_stays(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    with site(tmp_path, OS_WSGI__CLUMSY_SHARE="100") as found:
        process = psutil.Process(found.pid)
        fuzzers = _fuzz(found, seed, SECONDS)
        time.sleep(SECONDS / 4)
        before = process.memory_info().rss >> 20
        told, wrong = _told(fuzzers)
        after = process.memory_info().rss >> 20
    with capsys.disabled():
        print(f"{told} Memory {before} → {after} MiB.", end="")
    assert not wrong, "\n".join(wrong)
    assert after - before <= GROWTH


def test_nobody_else_notices(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """No wait is asserted: how long one waits on a machine that others use says nothing."""
    with site(tmp_path) as found:
        alone = Neighbour(found, SECONDS / 4).seen(SECONDS)
        fuzzers, beside = _fuzz(found, seed, SECONDS / 3), Neighbour(found, SECONDS / 4)
        meanwhile = beside.seen(SECONDS)
        told, wrong = _told(fuzzers)
    with capsys.disabled():
        print(f"{told} The neighbour alone: {alone.told()}; meanwhile: {meanwhile.told()}", end="")
    wrong += alone.wrong + meanwhile.wrong
    assert not wrong, "\n".join(wrong)
    assert meanwhile.seconds and alone.seconds
