# SPDX-License-Identifier: Apache-2.0
"""What the starters of real servers share: a free port, a directory, an unprivileged user, a process to stop."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Below the range from which the kernel takes ports for outgoing connections.
PORTS = range(20000, 32000)


class ServiceError(Exception):
    """A server did not start; the message carries the end of its log."""


def free_port() -> int:
    """Nobody listens there, and nobody of this session is told of it again: it is bound later, or never."""
    with _next_ports() as ports:
        for port in ports:
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return port
    raise ServiceError("no free port between 20000 and 32000")


@contextlib.contextmanager
def _next_ports() -> Iterator[Iterator[int]]:
    """All ports, from the one after the last that a worker of this session was given. Sessions begin anywhere."""
    place = os.environ.get("NOVA_TEST_SESSION_DIR")
    if place is None:
        yield iter(random.sample(PORTS, len(PORTS)))
        return
    with (Path(place) / "ports").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or random.choice(PORTS))

        def following() -> Iterator[int]:
            for step in range(1, len(PORTS)):
                port = PORTS[(last - PORTS.start + step) % len(PORTS)]
                file.seek(0)
                file.truncate()
                file.write(str(port))
                file.flush()
                yield port

        yield following()


def data_dir(prefix: str) -> Path:
    """A new directory under ``NOVA_TEST_DATA_DIR`` (a memory file system, say), else under the usual place."""
    base = os.environ.get("NOVA_TEST_DATA_DIR")
    path = Path(tempfile.mkdtemp(prefix=f"nova-{prefix}-", dir=base or None))
    path.chmod(0o755)
    return path


class Server:
    """A server process with a directory. Root starts it as ``user``, anybody else as himself."""

    user = ""

    def __init__(self) -> None:
        self.directory = data_dir(type(self).__name__.lower())
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0 and self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.directory, account.pw_uid, account.pw_gid)

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def run(self, *command: str | Path) -> str:
        """Run a program to its end as the server's user; its output, or ServiceError."""
        done = subprocess.run(
            [str(c) for c in command], **self._identity(), cwd=self.directory, env=self._environment(), timeout=300,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise ServiceError(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}")
        return str(done.stdout)

    def launch(self, *command: str | Path) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(c) for c in command], **self._identity(), cwd=self.directory, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 180) -> None:
        """Wait until ``ready()``; ServiceError when the process ends before or time runs out."""
        end = time.monotonic() + seconds
        while not ready():
            ended = self.process is not None and self.process.poll() is not None
            if ended or time.monotonic() > end:
                reason = "ended" if ended else f"did not answer within {seconds:.0f} s"
                self.stop()
                raise ServiceError(f"{type(self).__name__} {reason}: {self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the server and its children; SIGKILL also waits for the end."""
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait(30)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server; the data stay until :meth:`remove`."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _identity(self) -> dict[str, Any]:
        return {"user": self.user, "group": self.user} if os.geteuid() == 0 and self.user else {}

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.directory), "LC_ALL": "C.UTF-8"}
