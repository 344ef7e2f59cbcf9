# SPDX-License-Identifier: Apache-2.0
"""Network namespaces that stand for machines: the host under test, its guests, and a computer outside."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyroute2 import netns

_DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip link set "$interface" mtu "${mtu:-1500}"
for r in $router; do ip route add default via "$r"; done
"""


def run(*argv: str, ok: bool = True, timeout: float = 60) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout)
    if ok and done.returncode:
        raise AssertionError(f"{argv}: {done.stdout}{done.stderr}")
    return done.stdout


class Machine:
    """A namespace with its own interfaces."""

    def __init__(self, name: str) -> None:
        self.name = f"nova-{name}-{uuid.uuid4().hex[:6]}"
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    def run(self, *argv: str, ok: bool = True, timeout: float = 60) -> str:
        return run("ip", "netns", "exec", self.name, *argv, ok=ok, timeout=timeout)

    def works(self, *argv: str, timeout: float = 60) -> bool:
        argv = ("ip", "netns", "exec", self.name, *argv)
        return subprocess.run(argv, capture_output=True, timeout=timeout).returncode == 0

    def reaches(self, address: str) -> bool:
        """An answer comes, soon or on a busy machine late."""
        return self.works("ping", "-c1", "-w15", address)

    def pings(self, address: str, *options: str) -> bool:
        """An answer comes at once; to show that none does."""
        return self.works("ping", "-c1", "-W1", *options, address)

    def connects(self, address: str, port: int, timeout: float = 15) -> bool:
        code = f"import socket; socket.create_connection(({address!r}, {port}), {timeout}).close()"
        return self.works(sys.executable, "-c", code)

    def is_shut_out(self, address: str, port: int) -> bool:
        """No connection comes about at once; nor is there a refusal, which would be an answer."""
        code = (f"import socket\ntry: socket.create_connection(({address!r}, {port}), 1)\n"
                "except TimeoutError: raise SystemExit(0)\nraise SystemExit(1)")
        return self.works(sys.executable, "-c", code)

    @contextmanager
    def listening(self, port: int, answer: str = "") -> Iterator[None]:
        """A TCP server on all addresses; says who the peer is."""
        code = ("import socket\n"
                f"s = socket.create_server(('0.0.0.0', {port})); print('ready', flush=True)\n"
                f"while True:\n c, a = s.accept(); c.sendall(({answer!r} or a[0]).encode()); c.close()\n")
        argv = ["ip", "netns", "exec", self.name, sys.executable, "-c", code]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None and server.stdout.readline() == "ready\n"
                yield
            finally:
                server.kill()

    def fetch(self, address: str, port: int) -> str:
        code = f"import socket; s = socket.create_connection(({address!r}, {port}), 5); print(s.recv(99).decode())"
        return self.run(sys.executable, "-c", code).strip()

    def addresses(self, device: str = "eth0") -> list[str]:
        found = json.loads(self.run("ip", "-j", "-4", "addr", "show", "dev", device))
        return [a["local"] for link in found for a in link["addr_info"]]

    def close(self) -> None:
        for pid in run("ip", "netns", "pids", self.name, ok=False).split():
            run("kill", "-9", pid, ok=False)
        run("ip", "netns", "del", self.name, ok=False)


class Guest(Machine):
    """A machine whose network card ends, as a tap would, in the host's bridge."""

    def __init__(self, host: Machine, vif: dict[str, Any], scratch: Path) -> None:
        super().__init__("guest")
        self.vif = vif
        self.mac, self.tap = vif["address"], vif["device"]
        self._script = scratch / "dhcp-script"
        self._script.write_text(_DHCP_SCRIPT)
        self._script.chmod(0o755)
        run("ip", "-n", host.name, "link", "add", self.tap, "type", "veth", "peer", "name", "eth0", "address", self.mac,
            "netns", self.name)
        run("ip", "-n", host.name, "link", "set", self.tap, "master", vif["network"]["bridge"], "up")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")

    def dhcp(self, tries: int = 8) -> str | None:
        """Ask for an address as a guest does at its start; None when nobody gives one."""
        self.run("ip", "addr", "flush", "dev", "eth0")
        self.works("timeout", "30", "udhcpc", "-i", "eth0", "-n", "-q", "-t", str(tries), "-T", "1",
                   "-s", str(self._script))
        return next(iter(self.addresses()), None)


@contextmanager
def inside(machine: Machine) -> Iterator[None]:
    """Run the block, and threads and programs that it starts, in the machine's namespace."""
    with open("/proc/self/ns/net") as before:
        netns.setns(machine.name)
        try:
            yield
        finally:
            netns.setns(before.fileno())
