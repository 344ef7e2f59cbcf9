# SPDX-License-Identifier: Apache-2.0
"""``--daemons``: every service as a process of its own, started and kept up as systemd would do it."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from nova import concurrency, errors
from nova.cmd.standalone.layout import Layout

LOG = logging.getLogger(__name__)
_READY_WITHIN = 90.0
_STOP_WITHIN = 75.0
_RESTART_AFTER = 1.0


@dataclasses.dataclass
class Daemon:
    """One process. ``name`` is unique: ``nova-compute@host1``."""

    name: str
    module: str
    arguments: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    notify: socket.socket | None = None

    def start(self) -> None:
        address = f"nova-{os.getpid()}-{self.name}-{concurrency.uuid4()}"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f"\0{address}")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", self.module, *self.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": f"@{address}"})

    def wait_ready(self, end: float) -> None:
        """Raises ConfigError with what the daemon said when it ends, or says nothing, before it is ready."""
        if self.notify is None or self.process is None:
            return
        self.notify.settimeout(0.1)
        while concurrency.monotonic() < end:
            try:
                if b"READY=1" in self.notify.recv(4096):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    raise errors.ConfigError(self._last_words()) from None
        raise errors.ConfigError(f"{self.name} was not ready within {_READY_WITHIN:.0f} s; see {self.log}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else f"{self.name} ended at its start and said nothing"

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """Starts the daemons of a layout; one that ends is started again after a second."""

    def __init__(self, layout: Layout) -> None:
        self._daemons = _daemons_of(layout)
        self._stop = concurrency.Event()
        self._keeper: concurrency.Task | None = None

    @property
    def processes(self) -> dict[str, int]:
        return {d.name: d.process.pid for d in self._daemons if d.process is not None}

    def start(self) -> None:
        end = concurrency.monotonic() + _READY_WITHIN
        try:
            for stage in (True, False):  # hosts call the conductor of their cell as soon as they start
                members = [d for d in self._daemons if _serves_hosts(d) is stage]
                for daemon in members:
                    daemon.start()
                for daemon in members:
                    daemon.wait_ready(end)
        except errors.ConfigError:
            self.stop()
            raise
        self._keeper = concurrency.spawn(self._keep, name="supervisor")

    def _keep(self) -> None:
        while not self._stop.wait(_RESTART_AFTER):
            for daemon in self._daemons:
                if daemon.ended and not self._stop.is_set():
                    LOG.warning("%s has ended with %s; it is started again", daemon.name,
                                daemon.process.returncode if daemon.process else "?")
                    daemon.start()

    def reload(self) -> None:
        for daemon in self._daemons:
            daemon.signal(signal.SIGHUP)

    def stop(self) -> None:
        """Fronts first, then whoever works, hosts before the conductors that they report to."""
        self._stop.set()
        if self._keeper is not None:
            self._keeper.join(5)
        for group in (("nova-api",), ("nova-scheduler",), ("nova-compute", "nova-network"), ("nova-conductor",)):
            members = [d for d in self._daemons if d.name.partition("@")[0] in group]
            for daemon in members:
                daemon.signal(signal.SIGTERM)
            for daemon in members:
                _wait(daemon)


def _serves_hosts(daemon: Daemon) -> bool:
    return daemon.name.startswith("nova-conductor@cell")


def _wait(daemon: Daemon) -> None:
    if daemon.process is None:
        return
    try:
        daemon.process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        LOG.warning("%s does not stop; it is killed", daemon.name)
        daemon.process.kill()
        daemon.process.wait()


def _daemons_of(layout: Layout) -> list[Daemon]:
    def daemon(service: str, config: Path, instance: str = "", *arguments: str) -> Daemon:
        name = f"nova-{service}@{instance}" if instance else f"nova-{service}"
        return Daemon(name, f"nova.cmd.{service}", ["--config-file", str(config), *arguments],
                      layout.state.log.with_name(f"{name}.log"))

    top = layout.state.config
    made = [daemon("conductor", layout.file(cell), cell) for cell in layout.cells]
    made += [daemon("conductor", top, "api"), daemon("scheduler", top), daemon("api", top)]
    for host in layout.hosts:
        if layout.options.virt != "fake":
            made.append(daemon("network", layout.file(host), host))
        made.append(daemon("compute", layout.file(host), host))
    return made
