# SPDX-License-Identifier: Apache-2.0
"""A daemon from its first line to its exit: configuration, concurrency, log, object graph, signals, systemd.

SIGTERM and SIGINT stop it (a second one at once), SIGHUP reads the configuration and policies again, SIGUSR2 writes a
Guru Meditation report to stderr. Whatever prevents a start is one line on stderr and exit code 1.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, Protocol

from oslo_config import cfg

import nova
from nova import concurrency, conf, errors
from nova.cmd.systemd import Notifier
from nova.conf import log

LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
_TICK = 5.0
#: A report reads what other threads change meanwhile: how often it is tried, and seconds between two tries.
_REPORT_TRIES, _REPORT_PAUSE = 10, 0.1


class Graph(Protocol):
    """What a process consists of. It may also have ``reload()``, called after the configuration was read again."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


Build = Callable[[cfg.ConfigOpts], Graph]


def main(prog: str, build: Build, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a daemon and exit. ``build`` imports what it needs itself: by then the concurrency backend is chosen."""
    loaded = None
    try:
        loaded = conf.load(prog, sys.argv[1:] if argv is None else argv)
        concurrency.use(loaded.concurrency_backend)
        log.setup(loaded)
        code = Service(prog, loaded, build).run()
    except (errors.ConfigError, errors.Unavailable) as e:
        refuse(prog, e, debug=loaded is not None and loaded.debug)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # stuck threads of libraries do not keep a stopped service


def refuse(prog: str, error: errors.NovaError, *, debug: bool = False) -> NoReturn:
    """Say in one line why there is no start, and exit with 1."""
    if debug:
        LOG.exception("%s does not start", prog)
    cause = error.details.get("cause") if isinstance(error, errors.Unavailable) else None
    text = f"{error.message} {cause}" if cause else error.message
    print(f"{prog}: {' '.join(text.split())}", file=sys.stderr, flush=True)
    raise SystemExit(1)


class Service:
    """A graph that is run until a signal ends it."""

    def __init__(self, prog: str, loaded: cfg.ConfigOpts, build: Build) -> None:
        self._prog, self._conf, self._build = prog, loaded, build
        self._notifier = Notifier()

    def run(self) -> int:
        graph = self._build(self._conf)
        with _signals() as wakeup:
            graph.start()
            LOG.info("%s %s is ready on host %s", self._prog, nova.__version__, self._conf.host)
            self._notifier.ready(f"{self._prog} {nova.__version__} serves")
            self._until_told(wakeup, graph)
            return self._stop(wakeup, graph)

    def _until_told(self, wakeup: socket.socket, graph: Graph) -> None:
        watchdog = self._notifier.watchdog
        interval = _TICK if watchdog is None else min(_TICK, watchdog / 3)
        while True:
            self._notifier.alive()
            for number in _received(wakeup, interval):
                if number in (signal.SIGTERM, signal.SIGINT):
                    return
                if number == signal.SIGHUP:
                    self._reload(graph)
                elif number == signal.SIGUSR2:
                    self._report()

    def _report(self) -> None:
        """To be asked for a report must not end a daemon, whatever the report stumbles over."""
        try:
            write_report(self._conf)
        except Exception:
            LOG.exception("%s could not write its report; ask again with SIGUSR2", self._prog)

    def _reload(self, graph: Graph) -> None:
        self._notifier.reloading(concurrency.monotonic())
        try:
            self._conf.mutate_config_files()
            conf.check(self._conf)
            reload = getattr(graph, "reload", None)
            if reload is not None:
                reload()
            LOG.info("%s has read its configuration again", self._prog)
        except (cfg.Error, errors.NovaError, OSError) as e:
            LOG.error("%s keeps its configuration, the new one is not usable: %s", self._prog, e)
        self._notifier.ready(f"{self._prog} {nova.__version__} serves")

    def _stop(self, wakeup: socket.socket, graph: Graph) -> int:
        limit = float(self._conf.graceful_shutdown_timeout)
        LOG.info("%s stops", self._prog)
        self._notifier.stopping("finishing what is in hand", limit + 5)
        task = concurrency.spawn(graph.stop, name="stop")
        end = concurrency.monotonic() + limit
        while not task.join(0.02):
            again = any(n in (signal.SIGTERM, signal.SIGINT) for n in _received(wakeup, 0.03))
            if again or concurrency.monotonic() > end:
                LOG.warning("%s ends with work in hand, which is resumed later", self._prog)
                return 1
        LOG.info("%s has stopped", self._prog)
        return 0


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that gets the number of each signal as a byte: it can be waited for under threads and greenlets."""
    ours, kernels = socket.socketpair()
    ours.setblocking(False)
    kernels.setblocking(False)
    before = {number: signal.signal(number, _noted) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(kernels.fileno())
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        kernels.close()


def _noted(number: int, frame: Any) -> None:
    """The byte on the wakeup socket says it all."""


def _received(wakeup: socket.socket, seconds: float) -> bytes:
    readable, _, _ = select.select([wakeup], [], [], seconds)
    return wakeup.recv(64) if readable else b""


class _Version:
    """What oslo.reports asks for."""

    @staticmethod
    def vendor_string() -> str:
        return "nova-controller"

    @staticmethod
    def product_string() -> str:
        return "nova"

    @staticmethod
    def version_string_with_package() -> str:
        return nova.__version__


def write_report(loaded: cfg.ConfigOpts) -> None:
    """Threads, greenlets, processes, configuration (secrets masked) and version of this process, on stderr; when that
    cannot be had, at least what its threads do."""
    from oslo_reports import guru_meditation_report, opts

    opts.set_defaults(loaded)
    for left in reversed(range(_REPORT_TRIES)):
        try:
            report = guru_meditation_report.TextGuruMeditation(_Version()).run()
        except Exception:  # a child that has just ended and is not waited for yet, an object that goes while it is seen
            if not left:
                print("Guru Meditation in short: Threads", file=sys.stderr, flush=True)
                faulthandler.dump_traceback(sys.stderr)
                raise
            concurrency.sleep(_REPORT_PAUSE)
        else:
            print(report, file=sys.stderr, flush=True)
            return
