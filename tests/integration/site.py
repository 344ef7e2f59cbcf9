# SPDX-License-Identifier: Apache-2.0
"""A machine that runs real guests: a network namespace with a libvirt daemon of its own, where all of a cloud lives."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree

from tests.integration.network.machines import Machine, inside
from tests.services.libvirtd import Libvirtd
from tests.services.process import data_dir

ROOT = Path(__file__).parents[2]


class Site:
    """``run`` and ``start`` put programs on the machine; the test itself joins its network with ``inside``. ``listen``
    is an address of its own at which it takes guests from other sites; ``hostname`` what it is called, if not as the
    machine that the tests run on."""

    def __init__(self, listen: str | None = None, hostname: str | None = None) -> None:
        self.machine = Machine("site")
        self.directory = data_dir("site")
        self.libvirtd = Libvirtd(self.machine.name, as_installed=True, listen=listen, hostname=hostname)
        self._ports: dict[int, socket.socket] = {}

    def __enter__(self) -> Site:
        try:
            self.libvirtd.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        for listener in self._ports.values():
            listener.close()
        self.libvirtd.remove()
        self.machine.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- programs ------------------------------------------------------------------------------------------------------

    def command(self, *argv: str | Path) -> list[str]:
        """What runs ``argv`` among the machine's processes, files and networks."""
        return self.libvirtd.enter(*(str(a) for a in argv))

    def run(self, *argv: str | Path, ok: bool = True, timeout: float = 120, **env: str) -> str:
        """The program's output; AssertionError, with all it said, when it fails."""
        done = subprocess.run(self.command(*argv), env=environment(**env), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout)
        assert not ok or done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def module(self, name: str, *arguments: str | Path, **options: Any) -> str:
        return self.run(sys.executable, "-m", name, *arguments, **options)

    # -- what there is on the machine ----------------------------------------------------------------------------------

    @contextmanager
    def hypervisor(self) -> Iterator[Any]:
        conn = libvirt.open(self.libvirtd.uri)
        try:
            yield conn
        finally:
            conn.close()

    def domains(self) -> dict[str, str]:
        """Name in libvirt by uuid, running or not."""
        with self.hypervisor() as conn:
            return {d.UUIDString(): d.name() for d in conn.listAllDomains(0)}

    def domain_xml(self, uuid: str) -> Any:
        with self.hypervisor() as conn:
            return etree.fromstring(conn.lookupByUUIDString(uuid).XMLDesc(0))

    def qemu_pid(self, uuid: str) -> int | None:
        """Among the machine's processes; None when the guest does not run."""
        found = self.run("pgrep", "-f", f"qemu-system.*{uuid}", ok=False).split()
        return int(found[0]) if found else None

    def taps(self) -> set[str]:
        links = json.loads(self.run("ip", "-j", "link", "show"))
        return {link["ifname"] for link in links if link["ifname"].startswith("tap")}

    def rules(self) -> str:
        return self.run("nft", "list", "ruleset")

    # -- neighbours ----------------------------------------------------------------------------------------------------

    def forward(self, port: int) -> None:
        """127.0.0.1:PORT of this machine leads to the same port of the machine that the tests run on."""
        if port in self._ports:
            return
        with inside(self.machine):
            listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._ports[port] = listener
        threading.Thread(target=_accept, args=(listener, port), daemon=True).start()


def environment(**more: str) -> dict[str, str]:
    """Ours without what would lead clients elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "NOTIFY_", "WATCHDOG_"))}
    return kept | {"PYTHONPATH": str(ROOT)} | more


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return  # closed
        try:
            far = socket.create_connection(("127.0.0.1", port), 10)
        except OSError:
            near.close()  # as good as refused
            continue
        threading.Thread(target=_relay, args=(near, far), daemon=True).start()


def _relay(near: socket.socket, far: socket.socket) -> None:
    """Pass on what comes at either end until both have said all, or one is gone."""
    with near, far, contextlib.suppress(OSError):
        far.settimeout(None)
        other = {near: far, far: near}
        for end in other:  # what comes in small pieces goes on at once, as it would without us
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        open_ends = [near, far]
        while open_ends:
            for source in select.select(open_ends, [], [])[0]:
                if data := source.recv(65536):
                    other[source].sendall(data)
                else:
                    open_ends.remove(source)
                    other[source].shutdown(socket.SHUT_WR)


def qcow2_with_backing_file(path: Path, backing: Path) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(backing), str(path), "1M"],
                   check=True, timeout=60)
    return path
