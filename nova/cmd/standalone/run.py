# SPDX-License-Identifier: Apache-2.0
"""The process behind ``up``: prepares the cloud, runs it in itself or as daemons, and says when it is ready."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy as sa

import nova
from nova import concurrency, errors
from nova.cmd import service
from nova.cmd.standalone import credentials
from nova.cmd.standalone.layout import Layout
from nova.cmd.standalone.state import StateDir, write

LOG = logging.getLogger(__name__)
PROG = "nova-standalone"
_HOSTS_WITHIN = 60.0


class Cloud:
    """A graph that announces itself: client files first, then ``run.json``, which ``up`` waits for."""

    def __init__(self, layout: Layout, conf: Any, inner: Any) -> None:
        self._layout, self._conf, self._inner = layout, conf, inner

    def start(self) -> None:
        self._inner.start()
        layout = self._layout
        self._wait_hosts()
        credentials.write_clients(layout.state, layout.base_url, self._conf.identity.region)
        write(layout.state.run_file, json.dumps({
            "pid": os.getpid(), "url": layout.base_url, "started_at": concurrency.time(), "version": nova.__version__,
            "processes": getattr(self._inner, "processes", {PROG: os.getpid()})}) + "\n")

    def _wait_hosts(self) -> None:
        """The first server finds its host: wait until placement knows them, which is soon after they started."""
        from nova.cmd.wiring.control import open_database
        from nova.db.api import placement

        api = open_database(self._conf.api_database, "api")
        end = concurrency.monotonic() + _HOSTS_WITHIN
        wanted = set(self._layout.hosts)
        try:
            while wanted and concurrency.monotonic() < end:
                with api.read() as conn:
                    wanted -= set(conn.execute(sa.select(placement.providers.c.name)).scalars())
                concurrency.sleep(0.02)
        finally:
            api.dispose()
        if wanted:
            LOG.warning("hosts that have not reported yet: %s", ", ".join(sorted(wanted)))

    def stop(self) -> None:
        self._layout.state.run_file.unlink(missing_ok=True)
        self._inner.stop()

    def reload(self) -> None:
        self._inner.reload()


def run(state: StateDir) -> NoReturn:
    """Foreground; the caller holds the lock."""
    options = state.options()
    if options is None:
        raise errors.ConfigError(f"--state-dir {state.path}: there is no cloud here; run 'nova-standalone up'")
    layout = Layout(state, options)
    state.run_file.unlink(missing_ok=True)
    layout.write_configuration()

    def build(conf: Any) -> service.Graph:
        from nova.cmd.standalone import content

        content.prepare(layout, conf)
        return Cloud(layout, conf, _daemons(layout) if options.daemons else _in_process(layout, conf))

    service.main(PROG, build, ["--config-file", str(state.config)])


def _in_process(layout: Layout, conf: Any) -> service.Graph:
    from nova.cmd import graph

    options = layout.options
    return graph.build_standalone(conf, graph.Options(
        state_dir=Path(layout.state.path), listen=options.listen, virt=options.virt, hosts=options.hosts,
        host_name=layout.machine, api_bus=layout.bus("api")))


def _daemons(layout: Layout) -> service.Graph:
    from nova.cmd.standalone.daemons import Supervisor

    return Supervisor(layout)
