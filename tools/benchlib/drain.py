# SPDX-License-Identifier: Apache-2.0
"""Empties a host: boots servers on one of four fake hosts, drains it, and tells seconds and processor time."""

from __future__ import annotations

import argparse
import logging
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

from nova.db.cell.tables import services
from nova.operations import drains
from tests.functional.cloud import Cloud, memory_cloud

_HOST, _BATCH = "host1", 50
_OPTIONS = {"report_interval": 0.5, "lease": 3.0, "workers": 32, "cpu_allocation_ratio": 16.0, "quota__cores": -1,
            "quota__instances": -1, "quota__ram": -1}


def _only(cloud: Cloud, host: str | None) -> None:
    """Only that host, or every one, gets servers from now on."""
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            for service in services.list(conn, binary="nova-compute"):
                services.update(conn, service["uuid"], disabled=host not in (None, service["host"]))
    time.sleep(2.0)  # the scheduler's view follows


def measure(path: pathlib.Path, count: int, parallel: int, mode: str) -> dict[str, object]:
    cloud = memory_cloud(path, hosts_count=4, conf_options=_OPTIONS)
    try:
        cloud.start()
        cloud.wait_ready()
        _only(cloud, _HOST)
        uuids = [u for first in range(0, count, _BATCH) for u in cloud.boot(count=min(_BATCH, count - first))]
        for uuid in uuids:
            cloud.wait_state(uuid, "active", timeout=300)
        _only(cloud, None)
        began, cpu = time.monotonic(), time.process_time()
        made = drains.accept(cloud.api, cloud.context(admin=True), drains.Wanted(_HOST, mode, parallel))
        while drains.find(cloud.api, _HOST)[0]["state"] == "open":
            time.sleep(0.5)
        found = drains.show(cloud.api, made["uuid"])
        return {"servers": count, "parallel": parallel, "mode": mode, "state": found["state"],
                "counts": found["counts"], "seconds": round(time.monotonic() - began, 1),
                "processor_seconds": round(time.process_time() - cpu, 1)}
    finally:
        cloud.stop()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench-drain", description=__doc__)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--parallel", type=int, default=20)
    parser.add_argument("--mode", choices=drains.MODES, default="auto")
    asked = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="bench-drain-") as name:
        figures = measure(pathlib.Path(name), asked.servers, asked.parallel, asked.mode)
    for key, value in figures.items():
        sys.stdout.write(f"{key:20} {value}\n")
    return 0 if figures["state"] == "done" else 1
