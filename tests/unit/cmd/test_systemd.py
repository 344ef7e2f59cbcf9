# SPDX-License-Identifier: Apache-2.0
"""The notify protocol of systemd."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import pytest

from nova.cmd.systemd import Notifier


@pytest.mark.parametrize("abstract", [True, False])
def test_messages_arrive_as_datagrams(abstract: bool, tmp_path: Path) -> None:
    name = f"@nova-{uuid.uuid4()}" if abstract else str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:] if abstract else name)
        receiver.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": name})
        notifier.ready("serving")
        assert receiver.recv(1000).decode().splitlines()[:2] == ["READY=1", "STATUS=serving"]
        notifier.alive()
        assert receiver.recv(1000) == b"WATCHDOG=1"
        notifier.stopping("going", 2.5)
        assert receiver.recv(1000) == b"STOPPING=1\nSTATUS=going\nEXTEND_TIMEOUT_USEC=2500000"


def test_the_watchdog_is_ours_only_if_it_names_us() -> None:
    assert Notifier({"WATCHDOG_USEC": "3000000"}).watchdog == 3.0
    assert Notifier({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 3.0
    assert Notifier({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}).watchdog is None
    assert Notifier({}).watchdog is None


def test_without_a_socket_nothing_is_sent_and_a_lost_one_is_no_error() -> None:
    Notifier({}).ready("serving")
    Notifier({"NOTIFY_SOCKET": "/nonexistent/socket"}).alive()
