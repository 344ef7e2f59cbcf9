# SPDX-License-Identifier: Apache-2.0
"""Servers that all workers of a test session share: started by the first that asks, stopped when the session ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.services.hold import service_class
from tests.services.process import ServiceError

_DIRECTORY = "NOVA_TEST_SESSION_DIR"
_PID = "NOVA_TEST_SESSION_PID"


def begin(directory: Path) -> None:
    """Called once by the process that runs the session; its workers inherit the environment."""
    os.environ[_DIRECTORY] = str(directory)
    os.environ[_PID] = str(os.getpid())


def shared(kind: str, timeout: float = 180) -> Any:
    """The session's server of that kind, as an object that can be used but not stopped."""
    directory = Path(os.environ[_DIRECTORY])
    answer = directory / f"{kind}.json"
    with (directory / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            with (directory / f"{kind}.log").open("ab") as log:
                holder = subprocess.Popen(
                    [sys.executable, "-m", "tests.services.hold", kind, str(directory), os.environ[_PID]],
                    cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True)
            _wait(answer, holder, timeout)
            holder.returncode = 0  # it goes on without us; the session's end looks after it
    found = json.loads(answer.read_text())
    if "error" in found:
        raise ServiceError(found["error"])
    return service_class(kind)(**found["info"])


def end(directory: Path, seconds: float = 60) -> None:
    """Stop what the session's processes have started, and wait until it is gone."""
    for answer in directory.glob("*.json"):
        pid = json.loads(answer.read_text()).get("holder")
        if pid is None:
            continue
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            os.kill(pid, signal.SIGTERM)
            select.select([descriptor], [], [], seconds)
            os.close(descriptor)


def _wait(answer: Path, holder: subprocess.Popen[bytes], timeout: float) -> None:
    end = time.monotonic() + timeout
    while not answer.exists():
        if holder.poll() is not None and not answer.exists():
            raise ServiceError(f"the holder of {answer.stem} ended with {holder.returncode}, see {answer.parent}")
        if time.monotonic() > end:
            holder.terminate()
            raise ServiceError(f"{answer.stem} did not start within {timeout:.0f} s")
        time.sleep(0.05)
