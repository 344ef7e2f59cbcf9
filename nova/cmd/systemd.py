# SPDX-License-Identifier: Apache-2.0
"""What a service tells systemd through NOTIFY_SOCKET: that it is ready, alive, reloading, stopping.

The protocol is one datagram of KEY=VALUE lines, see sd_notify(3). Without the socket nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

LOG = logging.getLogger(__name__)


class Notifier:
    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        env = os.environ if env is None else env
        name = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        for_us = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = env.get("WATCHDOG_USEC", "")
        #: Seconds within which systemd wants a sign of life; None when it wants none.
        self.watchdog: float | None = int(usec) / 1e6 if for_us and usec.isdigit() and int(usec) else None

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def reloading(self, monotonic: float) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * 1e6)}")

    def stopping(self, status: str, seconds: float) -> None:
        self._send(f"STOPPING=1\nSTATUS={status}\nEXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1)
                sock.connect(self._address)
                sock.sendall(message.encode())
        except OSError as e:
            LOG.warning("systemd was not told %s: %s", message.splitlines()[0], e)
