# SPDX-License-Identifier: Apache-2.0
"""One dnsmasq per bridge: DHCP for the guests that are listed to it, and their DNS. It outlives its starter.

Guests are files in a directory that dnsmasq watches, so one more guest costs it one small file to read. What it read it
may forget only on SIGHUP, which also makes it run its script for every lease, so it gets one only when an address that
it knows otherwise is given anew. A lease that nobody has given back it forgets only when it ends: should the address
have a new owner before, dnsmasq is started anew. (A DHCPRELEASE of ours would not reach it: its sockets are bound to
the bridge, and what a host sends to itself comes by the loopback device.)
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import pathlib
import pwd
import signal

from nova import concurrency
from nova.host import files, processes

_STOP_TIMEOUT = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """What one bridge's dnsmasq tells its guests. Addresses without prefix length, ``lease_time`` in seconds."""

    bridge: str
    cidr: str
    gateway: str
    mtu: int
    lease_time: int
    dns: tuple[str, ...] = ()
    domain: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """A guest that may have an address."""

    mac: str
    address: str
    name: str | None = None

    def line(self) -> str:
        return ",".join(part for part in (self.mac, self.name, self.address) if part) + "\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What all dnsmasq of a nova-network have alike: the program to tell of leases, and the socket it is to use."""

    directory: pathlib.Path
    script: str
    socket: str
    user: str = ""
    config_file: str = ""
    timeout: float = 30


class Dnsmasq:
    """The dnsmasq of one bridge. Methods may be called by several tasks at a time, and repeated."""

    def __init__(self, settings: Settings, service: Service) -> None:
        self._settings, self.service = settings, service
        self._base = settings.directory / service.bridge
        self._pid_file = self._base / "pid"
        self._hosts_dir = self._base / "hosts"
        self._lock = concurrency.Lock()
        self._stale: dict[str, tuple[Host, float]] = {}  # removed here, still known there; latest end of its lease

    def ensure(self) -> None:
        """Run it, as it should be: one that runs already stays, unless it was started with other options."""
        with self._lock:
            self._hosts_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
            pid = self.pid()
            if pid is None or _cmdline(pid)[1:] != self._argv()[1:]:
                self._restart()

    def _restart(self) -> None:
        if (pid := self.pid()) is not None:
            self._stop(pid)
        env = {"NOVA_DHCPBRIDGE_SOCKET": self._settings.socket, "NOVA_DHCPBRIDGE_INTERFACE": self.service.bridge}
        processes.run(self._argv(), timeout=self._settings.timeout, env=env)
        self._stale.clear()

    def add(self, host: Host) -> None:
        """Serve this guest from now on."""
        file = self._file(host.mac)
        old = _read(file)
        with self._lock:
            if old != host.line():
                files.write_atomic(file, host.line(), durable=False)
            known = self._stale.pop(host.mac, (host, 0.0))
            leased = [until for stale, until in self._stale.values() if stale.address == host.address]
            if any(until > concurrency.time() for until in leased):
                self._restart()
            elif leased or known[0] != host or old not in (None, host.line()):
                self._hang_up()

    def remove(self, mac: str) -> None:
        """Serve this guest no more."""
        file = self._file(mac)
        line = _read(file)
        with self._lock:
            file.unlink(missing_ok=True)
            if line is not None:
                self._stale[mac] = _parse(line), concurrency.time() + self.service.lease_time

    def serves(self, mac: str, address: str) -> bool:
        line = _read(self._file(mac))
        return line is not None and _parse(line).address == address

    def pid(self) -> int | None:
        """Of the running dnsmasq that is ours; None when there is none."""
        text = _read(self._pid_file)
        if not text or not text.strip().isdigit():
            return None
        pid = int(text)
        return pid if f"--pid-file={self._pid_file}" in _cmdline(pid) else None

    def stop(self) -> None:
        """End it and remove its files; not running is fine."""
        with self._lock:
            if (pid := self.pid()) is not None:
                self._stop(pid)
            files.remove_tree(self._base)

    def _file(self, mac: str) -> pathlib.Path:
        return self._hosts_dir / mac.replace(":", "-")

    def _hang_up(self) -> None:
        if (pid := self.pid()) is not None:
            os.kill(pid, signal.SIGHUP)
        self._stale.clear()

    def _stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        end = concurrency.monotonic() + _STOP_TIMEOUT
        while self.pid() == pid:
            if concurrency.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                end += _STOP_TIMEOUT
            concurrency.sleep(0.02)

    def _argv(self) -> list[str]:
        s, net = self.service, ipaddress.ip_network(self.service.cidr)
        options = [
            "--strict-order", "--bind-interfaces", f"--interface={s.bridge}", "--except-interface=lo", "--no-hosts",
            f"--conf-file={self._settings.config_file}", f"--pid-file={self._pid_file}", "--quiet-dhcp",
            "--leasefile-ro", "--dhcp-authoritative", "--dhcp-no-override",
            f"--dhcp-range=set:{s.bridge},{net.network_address},static,{net.netmask},{s.lease_time}s",
            f"--dhcp-lease-max={min(net.num_addresses, 65536)}", f"--dhcp-hostsdir={self._hosts_dir}",
            f"--dhcp-script={self._settings.script}", f"--dhcp-option=option:router,{s.gateway}",
            f"--dhcp-option-force=option:mtu,{s.mtu}", f"--log-facility={self._base / 'log'}",
            f"--user={self._settings.user or usable_user(self._settings.directory)}",
        ]
        if s.dns:
            options.append("--dhcp-option=option:dns-server," + ",".join(s.dns))
        if s.domain:
            options.append(f"--domain={s.domain}")
        return ["dnsmasq", *options]


def usable_user(directory: pathlib.Path) -> str:
    """``nobody`` when it may read below the directory; or else the user of this process."""
    own = pwd.getpwuid(os.geteuid()).pw_name
    reachable = all(p.stat().st_mode & 0o001 for p in [directory, *directory.resolve().parents])
    return "nobody" if os.geteuid() == 0 and reachable else own


def _cmdline(pid: int) -> list[str]:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def _read(file: pathlib.Path) -> str | None:
    try:
        return file.read_text()
    except FileNotFoundError:
        return None


def _parse(line: str) -> Host:
    mac, *name, address = line.strip().split(",")
    return Host(mac, address, name[0] if name else None)
