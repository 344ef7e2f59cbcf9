# SPDX-License-Identifier: Apache-2.0
"""The life of a daemon where its graph is of no interest: reports on request."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import Any

import psutil
import pytest
from oslo_config import cfg

from nova import conf
from nova.cmd import service


class _Idle:
    """A graph that asks for a report, then for the end."""

    def start(self) -> None:
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        pass


def _children_that_end(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """The first ``times`` looks at this process's children find one that has just ended."""
    asked: list[int] = []
    real = psutil.Process.children

    def children(self: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
        asked.append(self.pid)
        if len(asked) <= times:
            raise psutil.NoSuchProcess(self.pid)
        return real(self, recursive)

    monkeypatch.setattr(psutil.Process, "children", children)
    return asked


@pytest.fixture
def loaded() -> Any:
    return conf.load("nova-scheduler", config_files=[], conf=cfg.ConfigOpts())


def test_a_report_survives_a_child_that_ends_meanwhile(loaded: Any, monkeypatch: pytest.MonkeyPatch,
                                                       capfd: pytest.CaptureFixture[str]) -> None:
    _children_that_end(monkeypatch, 1)
    service.write_report(loaded)
    assert "Guru Meditation" in capfd.readouterr().err


def test_a_report_that_can_not_be_made_ends_no_daemon(loaded: Any, monkeypatch: pytest.MonkeyPatch,
                                                      capfd: pytest.CaptureFixture[str],
                                                      caplog: pytest.LogCaptureFixture) -> None:
    asked = _children_that_end(monkeypatch, 1000)
    assert service.Service("nova-scheduler", loaded, lambda _conf: _Idle()).run() == 0
    assert len(asked) > 1 and "could not write its report" in caplog.text
    told = capfd.readouterr().err
    assert "Guru Meditation in short" in told and "in write_report" in told
    assert "Configuration" not in told


def test_a_report_waits_for_a_child_that_is_not_waited_for_yet(loaded: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Between its end and that of the thread that waits for it there may be a while on a busy machine."""
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still there
        reaping = threading.Timer(0.3, child.wait)
        reaping.start()
        service.write_report(loaded)
        reaping.join()
    told = capfd.readouterr().err
    assert "Guru Meditation" in told and "in short" not in told
