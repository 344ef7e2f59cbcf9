# SPDX-License-Identifier: Apache-2.0
"""A cloud of daemons on a broker and a database server of its own, for as long as it is measured."""

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
from collections.abc import Iterator, Sequence
from typing import Any

from tests.services.hold import service_class

from . import main as bench

ROOT = pathlib.Path(__file__).resolve().parents[2]
_SECONDS = 600


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="tools/bench-daemons", description="Start RabbitMQ and a database server, and nova-standalone with every "
        "daemon a process of its own; run tools/bench against it; stop and remove everything. Commits are on the disk. "
        "Arguments that are not named here go to tools/bench.")
    made.add_argument("--hosts", type=int, default=20, metavar="N", help="compute hosts (default: %(default)s)")
    made.add_argument("--database", choices=("postgresql", "mariadb"), default="postgresql")
    made.add_argument("--listen", default="127.0.0.1:18774", metavar="HOST:PORT")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    args, rest = parser().parse_known_args(argv)
    with contextlib.ExitStack() as stack:
        database, broker = (stack.enter_context(_server(kind)) for kind in (args.database, "rabbitmq"))
        state = pathlib.Path(tempfile.mkdtemp(prefix="nova-bench-"))
        stack.callback(shutil.rmtree, state)
        stack.enter_context(_cloud(state, [
            "--listen", args.listen, "--hosts", str(args.hosts), "--daemons", "--bus", broker.create_vhost("bench"),
            "--database", database.create_database("nova")]))
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(state / "clouds.yaml")
        run = json.loads((state / "run.json").read_text())
        return bench.main(["--os-cloud", "demo", "--admin-cloud", "admin", "--tree", f"daemons={run['pid']}", "--tree",
                           f"{args.database}={database.server.process.pid}", "--tree",
                           f"rabbitmq={broker.server.process.pid}", *rest])


@contextlib.contextmanager
def _server(kind: str) -> Iterator[Any]:
    made = service_class(kind)()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@contextlib.contextmanager
def _cloud(state: pathlib.Path, options: list[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "nova.cmd.standalone"]
    where = ["--state-dir", str(state)]
    try:
        subprocess.run([*command, "up", *where, "--virt", "fake", *options], cwd=ROOT, check=True, timeout=_SECONDS,
                       stdout=sys.stderr)
        yield
    finally:
        subprocess.run([*command, "down", *where], cwd=ROOT, check=False, timeout=_SECONDS, stdout=sys.stderr)
