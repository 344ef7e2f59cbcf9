# SPDX-License-Identifier: Apache-2.0
"""A process that is started as systemd would start it: with a socket on which it says what it is doing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path


class Notified:
    """Started at once; ``expect`` waits for a word on the notify socket."""

    def __init__(self, command: Sequence[str | Path], log: Path, watchdog: float = 1.0) -> None:
        address = f"nova-test-{uuid.uuid4()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address}")
        self.log = log
        self.said: list[str] = []
        env = {**os.environ, "NOTIFY_SOCKET": f"@{address}", "WATCHDOG_USEC": str(int(watchdog * 1e6))}
        with log.open("ab") as out:
            self.process = subprocess.Popen([str(c) for c in command], env=env, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out)

    def expect(self, word: str, seconds: float = 120) -> None:
        """Wait for a message with ``word`` that has not been looked at before."""
        end = time.monotonic() + seconds
        self._socket.settimeout(0.1)
        while time.monotonic() < end:
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                if self.process.poll() is not None:
                    break
                continue
            self.said.append(message)
            if word in message:
                return
        raise AssertionError(f"no {word} (exit code {self.process.poll()}):\n{self.text()[-3000:]}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.expect("STOPPING=1")
        return self.process.wait(90)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_text(self, word: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while word not in self.text():
            if time.monotonic() > end:
                raise AssertionError(f"the log does not say {word!r}:\n{self.text()[-3000:]}")
            time.sleep(0.05)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self._socket.close()
