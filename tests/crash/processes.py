# SPDX-License-Identifier: Apache-2.0
"""One daemon of a cluster as a process: start it, know when it says READY, kill it, stop it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.crash.traps import Traps

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass
class Daemon:
    """``args`` are what its systemd unit would give it; ``ready()`` listens where systemd would."""

    name: str
    prog: str
    args: list[str]
    traps: Traps
    directory: Path
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    ready_at: float = 0.0

    def __post_init__(self) -> None:
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._notices.bind("")  # the kernel finds a name
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        self.log = self.directory / "log" / f"{self.name}.log"
        self.log.parent.mkdir(exist_ok=True)

    def start(self) -> None:
        self._ready.clear()
        environment = os.environ | self.environment | {
            "NOTIFY_SOCKET": "@" + self._notices.getsockname()[1:].decode(), "PYTHONWARNINGS": "ignore"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed daemon is compiled, and starts twice as fast
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.daemon", self.name, str(self.traps.directory), self.prog,
                 *self.args], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.traps.register(self.name, self.process.pid)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, seconds: float = 180.0) -> None:
        end = time.monotonic() + seconds
        while not self._ready.wait(0.1):
            if not self.running:
                raise AssertionError(f"{self.name} ended: {self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"{self.name} was not ready within {seconds:.0f} s: {self.tail()}")

    def wait_dead(self, seconds: float = 180.0) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        if self.process is not None and self.running:
            self.process.kill()
            self.process.wait(60)

    def terminate(self) -> None:
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGTERM)

    def close(self, seconds: float = 30.0) -> None:
        """The end, in an orderly way if it takes at most that long."""
        self.terminate()
        if self.process is not None:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._notices.shutdown(socket.SHUT_RDWR)
        self._notices.close()

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _listen(self) -> None:
        """Read what is said, for a daemon waits when nobody does."""
        with contextlib.suppress(OSError):
            while message := self._notices.recv(4096):
                if b"READY=1" in message and not self._ready.is_set():
                    self.ready_at = time.monotonic()
                    self._ready.set()
