# SPDX-License-Identifier: Apache-2.0
"""What checking schemas and asking policy takes of a request: the fronts of a cloud in this process, without sockets,
over the databases that ``nova-standalone`` has made and left. The smallest requests are asked, of which it is most."""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from nova import conf as options
from nova.clients.nudges import Sender
from nova.cmd.wiring.bus import Identity
from nova.cmd.wiring.fronts import Libraries, application_of
from nova.cmd.wiring.plane import control_plane
from nova.policy import Policy
from nova.web.front import Front

from . import auth, own
from .compute import Cloud
from .stats import percentile

_BUDGET = 0.1
Asked = tuple[str, str, Any]
Taken = tuple[str, float, float]


class Stopwatch:
    """Seconds spent in some functions since it was last read; of one inside another once only."""

    def __init__(self) -> None:
        self._spent, self._inside = 0.0, False

    def read(self) -> float:
        spent, self._spent = self._spent, 0.0
        return spent

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return work(*args, **kwargs)
            self._inside, began = True, time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self._spent += time.perf_counter() - began
                self._inside = False

        return timed


def requests(server: str, image: str, flavor: str) -> dict[str, Asked]:
    """Method, path and body by title."""
    wanted = {"name": "share", "flavorRef": flavor, "imageRef": image, "networks": "auto"}
    return {
        "GET /servers/ID": ("GET", f"/servers/{server}", None),
        "GET /servers/detail, few servers": ("GET", "/servers/detail?status=ACTIVE&limit=10&sort_key=created_at", None),
        "GET /flavors/detail": ("GET", "/flavors/detail", None),
        "PUT /servers/ID": ("PUT", f"/servers/{server}", {"server": {"name": "share"}}),
        "POST /servers/ID/action, lock": ("POST", f"/servers/{server}/action", {"lock": None}),
        "POST /servers": ("POST", "/servers", {"server": wanted}),
    }


def measure(app: Any, token: str, asked: dict[str, Asked], rounds: int) -> list[Taken]:
    """Title, seconds of a request, and seconds of it in schemas and policy: medians."""
    watch, was = Stopwatch(), (Front._validate, Policy.check)
    Front._validate, Policy.check = watch.around(was[0]), watch.around(was[1])  # type: ignore[method-assign]
    try:
        found = []
        for title, request in asked.items():
            times = [_once(app, token, request, watch) for _ in range(rounds + 5)][5:]
            found.append((title, percentile([t[0] for t in times], 0.5), percentile([t[1] for t in times], 0.5)))
        return found
    finally:
        Front._validate, Policy.check = was  # type: ignore[method-assign]


def _once(app: Any, token: str, request: Asked, watch: Stopwatch) -> tuple[float, float]:
    method, (path, _, query) = request[0], request[1].partition("?")
    body = b"" if request[2] is None else json.dumps(request[2]).encode()
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": f"/compute/v2.1{path}", "QUERY_STRING": query, "SCRIPT_NAME": "",
        "SERVER_NAME": "cloud", "SERVER_PORT": "80", "HTTP_HOST": "cloud", "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json",
        "HTTP_X_AUTH_TOKEN": token, "HTTP_OPENSTACK_API_VERSION": "compute 2.79"}
    watch.read()
    began = time.perf_counter()
    said = b"".join(app(environ, lambda line, headers, exc=None: status.append(line)))
    took = time.perf_counter() - began
    if not status[0].startswith("20"):
        raise RuntimeError(f"{method} {path} answered {status[0]}: {said[:300].decode(errors='replace')}")
    return took, watch.read()


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1: the share of one of them is above what we aim for."""
    parser = argparse.ArgumentParser(prog="tools/bench-share", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, metavar="N", help="requests of each kind (%(default)s)")
    rounds = parser.parse_args(argv).rounds
    with own.running(hosts=1) as state:
        demo, admin = (auth.log_in(auth.find({"OS_CLIENT_CONFIG_FILE": f"{state}/clouds.yaml"}, name))
                       for name in ("demo", "admin"))
        cloud, over = Cloud(demo, prefix="share"), Cloud(admin, prefix="share")
        over.call("PUT", f"/os-quota-sets/{demo.project_id}",
                  {"quota_set": {name: -1 for name in ("instances", "cores", "ram")}})
        image, flavor = cloud.image(None), cloud.flavor(None)["id"]
        server = cloud.create("", {"imageRef": image, "flavorRef": flavor})
        cloud.wait_for(server, "ACTIVE")
        cloud.close()
        over.close()
        own.down(state)  # so that nobody else works while it is measured
        conf = options.load("nova-api", ["--config-file", str(state / "nova.conf")])
        app = application_of(Libraries.of(control_plane(conf, Identity.of("nova-api", "bench"))), Sender())
        found = measure(app, demo.token, requests(server, image, flavor), rounds)
    return show(found)


def show(found: Sequence[Taken]) -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in ("request", "ms, p50", "schemas and policy, ms", "share", "reach"):
        table.add_column(name, justify="left" if name == "request" else "right")
    together = ("all together", sum(f[1] for f in found), sum(f[2] for f in found))
    for title, whole, part in (*found, together):
        mark = "✓" if part <= _BUDGET * whole else "✗"
        table.add_row(title, f"{whole * 1000:.2f}", f"{part * 1000:.3f}", f"{part / whole:.1%}", f"10 % {mark}")
    Console().print(table)
    return 0 if all(part <= _BUDGET * whole for _, whole, part in found) else 1

