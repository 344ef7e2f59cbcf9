# SPDX-License-Identifier: Apache-2.0
"""A configuration with databases that are set up, and processes that are gone after the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.functional.daemons.notified import Notified
from tests.services.process import free_port

PROGRAMS = Path(sys.executable).parent


def manage(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAMS / "nova-manage", "--config-file", config, *arguments], capture_output=True,
                          text=True, timeout=120, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Nothing is set up yet."""
    file = tmp_path / "nova.conf"
    file.write_text(
        f"[DEFAULT]\nhost = node1\nstate_path = {tmp_path}\ntransport_url = nova-memory://test\n"
        f"compute_driver = fake\n[network]\nmanager = none\n[api_database]\nconnection = sqlite:///{tmp_path}/api.sqlite\n"
        f"[database]\nconnection = sqlite:///{tmp_path}/cell1.sqlite\n[wsgi]\nlisten = 127.0.0.1:{free_port()}\n"
        f"[identity]\npassword_hash_cost = 4\n[image]\npublic_endpoint = http://127.0.0.1:1/image\n")
    return file


@pytest.fixture
def cloud_config(config: Path) -> Path:
    """Databases, cells and keys are there."""
    for command in (["api_db", "sync"], ["cell_v2", "simple_cell_setup"], ["host", "enroll", "node1"]):
        done = manage(config, *command)
        assert done.returncode == 0, done.stderr
    return config


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Notified]]:
    made: list[Notified] = []

    def run(*command: str | Path) -> Notified:
        made.append(Notified(command, tmp_path / f"process-{len(made)}.log"))
        return made[-1]

    yield run
    for process in made:
        process.close()
