# SPDX-License-Identifier: Apache-2.0
"""A cloud of one process on SQLite for as long as it is measured, with many servers in it when they are asked for."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from nova import conf as options
from nova.cmd.wiring.bus import Identity
from nova.cmd.wiring.plane import control_plane
from nova.context import RequestContext
from nova.store.query import Query
from nova.store.servers import Servers

from . import auth, seed
from . import main as bench
from .stats import percentile

ROOT = pathlib.Path(__file__).resolve().parents[2]
_SECONDS = 600
_ROUNDS = 20
_LISTEN = "127.0.0.1:18775"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="tools/bench-one", description="Start nova-standalone, one process on SQLite with pretended hosts; run "
        "tools/bench against it; stop and remove everything. Arguments that are not named here go to tools/bench.")
    made.add_argument("--hosts", type=int, default=20, metavar="N", help="compute hosts (default: %(default)s)")
    made.add_argument("--cells", type=int, default=1, metavar="N", help="cells that they are in (default: %(default)s)")
    made.add_argument("--seed", type=int, default=0, metavar="N",
                      help="servers that nobody built in the project, for lists (default: none)")
    made.add_argument("--listen", default=_LISTEN, metavar="HOST:PORT")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args, rest = parser().parse_known_args(argv)
    with running(args.listen, args.hosts, args.cells) as state:
        if args.seed and _seed(state, args.seed):
            return 2
        run = json.loads((state / "run.json").read_text())
        code = bench.main(["--os-cloud", "demo", "--admin-cloud", "admin", "--tree", f"cloud={run['pid']}", *rest])
        if args.seed:
            down(state)
            _by_metadata(state)
        return code


@contextlib.contextmanager
def running(listen: str = _LISTEN, hosts: int = 20, cells: int = 1) -> Iterator[pathlib.Path]:
    """Its state directory; clients of this process find its clouds.yaml."""
    state = pathlib.Path(tempfile.mkdtemp(prefix="nova-bench-"))
    before = os.environ.get("OS_CLIENT_CONFIG_FILE")
    try:
        _standalone("up", state, "--virt", "fake", "--listen", listen, "--hosts", str(hosts), "--cells", str(cells))
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(state / "clouds.yaml")
        yield state
    finally:
        if before is None:
            os.environ.pop("OS_CLIENT_CONFIG_FILE", None)
        else:
            os.environ["OS_CLIENT_CONFIG_FILE"] = before
        down(state)
        shutil.rmtree(state)


def down(state: pathlib.Path) -> None:
    """It may be down already."""
    _standalone("down", state, check=False)


def _standalone(word: str, state: pathlib.Path, *options: str, check: bool = True) -> None:
    subprocess.run([sys.executable, "-m", "nova.cmd.standalone", word, "--state-dir", str(state), *options], cwd=ROOT,
                   check=check, timeout=_SECONDS, stdout=sys.stderr)


def _by_metadata(state: pathlib.Path) -> None:
    """The filter that the Compute API does not offer, where it is: in the store, in this process."""
    conf = options.load("nova-api", ["--config-file", str(state / "nova.conf")])
    plane = control_plane(conf, Identity.of("nova-api", "bench"))
    query = Query(project_id=None, filters={"metadata": {"role": "role7"}})
    samples, store = [], Servers(plane.api, plane.cells)
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        rows = store.page(RequestContext(is_admin=True), query).columns["uuid"]
        samples.append(time.perf_counter() - began)
    print(f"details by metadata, in the store: {percentile(samples, 0.5) * 1000:.0f} ms p50, best "
          f"{min(samples) * 1000:.0f} ms, {len(rows)} servers; reach 100 ms")


def _seed(state: pathlib.Path, count: int) -> int:
    project = auth.log_in(auth.find(os.environ, "demo")).project_id
    with contextlib.redirect_stdout(sys.stderr):
        return seed.main(["--database", f"sqlite:///{state}/api.sqlite", "--project", project, "--count", str(count)])
