# SPDX-License-Identifier: Apache-2.0
"""The cloud under test: a process of its own in a directory of its own, started and ended by the suite."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.services.process import free_port

ROOT = Path(__file__).parents[2]
HOSTS = 2
#: A copy of a fake guest takes as long as a quick real one: clients look at images while they are saved.
PACE = {"OS_FAKE__DELAY": "snapshot:2"}


class NoCloud(Exception):
    """The cloud did not start, or did not end; the message carries what it said."""


@contextmanager
def running(python: str, directory: Path, options: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A cloud that ``python`` runs, until the block ends; the directory with its ``clouds.yaml``. ``options`` are
    told by its environment."""
    _standalone(python, directory, "up", "--virt", "fake", "--hosts", str(HOSTS),
                "--listen", f"127.0.0.1:{free_port()}", options=options)
    try:
        yield directory
    finally:
        _standalone(python, directory, "down")


def troubles(directory: Path) -> list[str]:
    """The lines of the cloud's log that tell of an unexpected error."""
    log = directory / "log" / "nova-standalone.log"
    return [line for line in log.read_text(errors="replace").splitlines() if " ERROR " in line or " CRITICAL " in line]


def _standalone(python: str, directory: Path, *words: str, options: Mapping[str, str] | None = None) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    told = PACE | dict(options or {}) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([python, "-m", "nova.cmd.standalone", *words, "--state-dir", str(directory)], cwd=ROOT,
                          env=kept | told, capture_output=True, text=True, timeout=180)
    if done.returncode:
        log = directory / "log" / "nova-standalone.log"
        said = log.read_text(errors="replace")[-4000:] if log.exists() else ""
        raise NoCloud(f"nova-standalone {words[0]}: {said}{done.stdout}{done.stderr}")
