# SPDX-License-Identifier: Apache-2.0
"""nova-compute and nova-network start without database credentials and with unimportable database modules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.daemons.conftest import manage
from tests.functional.daemons.notified import Notified

#: Runs a module of ours after making the named ones unimportable.
REFUSING = """
import importlib.abc, runpy, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == n or name.startswith(n + ".") for n in FORBIDDEN):
            raise ImportError(f"{name} is not to be had on a host")
        return None

FORBIDDEN = ("nova.db", "nova.store", "sqlalchemy", "alembic", "psycopg", "pymysql", "sqlite3")
sys.meta_path.insert(0, Refuse())
module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("service", ["compute", "network"])
def test_a_host_service_without_a_database(service: str, config: Path, tmp_path: Path,
                                           start: Callable[..., Notified]) -> None:
    assert manage(config, "host", "enroll", "node1", "--output", str(tmp_path / "host-keys")).returncode == 0
    text = config.read_text().partition("[api_database]")[0] + f"[rpc]\nkeys = {tmp_path}/host-keys\n"
    host_config = tmp_path / "host.conf"
    host_config.write_text(text)
    daemon = start(sys.executable, "-c", REFUSING, f"nova.cmd.{service}", "--config-file", str(host_config))
    daemon.expect("READY=1")
    daemon.expect("WATCHDOG=1")
    assert daemon.stop() == 0, daemon.text()[-3000:]
    assert "is not to be had on a host" not in daemon.text()
