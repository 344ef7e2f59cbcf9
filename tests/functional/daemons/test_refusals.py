# SPDX-License-Identifier: Apache-2.0
"""What prevents a start is one line that names the option and what to do, and exit code 1."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.functional.daemons.conftest import PROGRAMS


def refusal(program: str, config: Path, *arguments: str) -> str:
    done = subprocess.run([PROGRAMS / program, "--config-file", config, *arguments], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    ours = [line for line in lines if line.startswith(f"{program}: ")]
    assert len(ours) == 1 and "Traceback" not in done.stderr, done.stderr
    return ours[0]


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


@pytest.mark.parametrize("program", ["nova-api", "nova-scheduler", "nova-conductor"])
def test_an_unsynced_database(program: str, config: Path) -> None:
    line = refusal(program, config)
    assert "[api_database] connection" in line and "nova-manage api_db sync" in line


def test_an_unsynced_cell(config: Path) -> None:
    line = refusal("nova-conductor", config, "--role", "cell")
    assert "[database] connection" in line and "nova-manage db sync" in line


def test_an_unreachable_database(config: Path) -> None:
    change(config, "connection = sqlite", "connection = postgresql://nova:hidden@127.0.0.1:1/nova\n#")
    line = refusal("nova-api", config)
    assert "[api_database] connection" in line and "does not answer" in line and "hidden" not in line


def test_no_database(config: Path) -> None:
    change(config, "[api_database]\nconnection", "[api_database]\n#")
    assert "[api_database] connection is not set" in refusal("nova-scheduler", config)


@pytest.mark.parametrize("program", ["nova-compute", "nova-network", "nova-scheduler"])
def test_an_unreachable_broker(program: str, cloud_config: Path) -> None:
    change(cloud_config, "nova-memory://test", "rabbit://nova:hidden@127.0.0.1:1/")
    line = refusal(program, cloud_config)
    assert "transport_url" in line and "127.0.0.1:1" in line and "hidden" not in line


def test_no_keys(config: Path) -> None:
    line = refusal("nova-compute", config)
    assert "[rpc] keys" in line and "nova-manage host enroll" in line


def test_a_wrong_value(cloud_config: Path) -> None:
    change(cloud_config, "[DEFAULT]\n", "[DEFAULT]\nreport_interval = often\n")
    assert "[DEFAULT] report_interval" in refusal("nova-compute", cloud_config)


def test_an_unknown_driver(cloud_config: Path) -> None:
    change(cloud_config, "compute_driver = fake", "compute_driver = abacus")
    assert "compute_driver" in refusal("nova-compute", cloud_config)


def test_a_busy_port(cloud_config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        cloud_config.write_text(cloud_config.read_text().replace("listen = 127.0.0.1", f"listen = {listen}\n#"))
        line = refusal("nova-api", cloud_config)
    assert f"[wsgi] listen {listen}" in line and "in use" in line
