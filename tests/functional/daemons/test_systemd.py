# SPDX-License-Identifier: Apache-2.0
"""Each ExecStart of the units says READY, WATCHDOG and STOPPING, obeys SIGHUP and SIGUSR2, and ends with 0."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.daemons.conftest import PROGRAMS
from tests.functional.daemons.notified import Notified

UNITS = sorted((Path(__file__).parents[3] / "etc" / "nova" / "systemd").glob("*.service"))


def exec_start(unit: Path, config: Path) -> list[str]:
    """The unit's command, with the programs and the configuration of the test."""
    found = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.M)
    assert found
    words = shlex.split(found.group(1))
    return [str(PROGRAMS / Path(words[0]).name), *(str(config) if w.startswith("/etc/nova/") else w for w in words[1:])]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_from_start_to_stop(unit: Path, cloud_config: Path, start: Callable[..., Notified]) -> None:
    daemon = start(*exec_start(unit, cloud_config))
    daemon.expect("READY=1")
    daemon.expect("WATCHDOG=1")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.expect("RELOADING=1")
    daemon.expect("READY=1")
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_text("Guru Meditation")
    daemon.wait_text("connection = ***")
    assert daemon.stop() == 0, daemon.text()[-3000:]


def test_a_new_configuration_that_is_wrong_is_not_taken(cloud_config: Path, start: Callable[..., Notified]) -> None:
    daemon = start(PROGRAMS / "nova-scheduler", "--config-file", cloud_config)
    daemon.expect("READY=1")
    cloud_config.write_text(cloud_config.read_text() + "[quota]\ninstances = many\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_text("keeps its configuration")
    daemon.expect("READY=1")
    assert daemon.stop() == 0
