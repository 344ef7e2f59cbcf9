# SPDX-License-Identifier: Apache-2.0
"""A libvirt daemon that does not answer, and a process of greenlets."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from nova import errors
from nova.virt.libvirt import connection
from tests.contract.drivers.harness import Harness
from tests.services.libvirtd import Libvirtd

pytestmark = pytest.mark.root


def test_a_socket_that_says_nothing_is_given_up(libvirt_host: Harness, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        with pytest.raises(errors.ConfigError, match="did not answer within 1 s"):
            libvirt_host.open(connection_uri=f"qemu+unix:///system?socket={path}", connect_timeout=1)


def test_a_daemon_that_freezes_ends_the_calls_that_wait_for_it(libvirt_host: Harness, libvirtd: Libvirtd,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEPALIVE", (1, 5))  # a daemon that only has much to do answers within these
    driver = libvirt_host.open()
    guest = libvirt_host.guest()
    driver.spawn(guest)
    libvirtd.signal_daemon(signal.SIGSTOP)
    patience = driver.hypervisor.connection._timeout
    driver.hypervisor.connection._timeout = 1
    try:
        with pytest.raises(errors.Unavailable):
            driver.info(guest.uuid)
        with pytest.raises(errors.Unavailable):
            driver.info(guest.uuid)
    finally:
        libvirtd.signal_daemon(signal.SIGCONT)
        driver.hypervisor.connection._timeout = patience
    end = time.monotonic() + 120
    while True:
        try:
            assert driver.info(guest.uuid).uuid == guest.uuid
            return
        except errors.Unavailable:
            assert time.monotonic() < end


def test_greenlets_go_on_while_libvirt_works(libvirt_host: Harness) -> None:
    """The whole life of a guest in a process under eventlet, with another greenlet that must not starve."""
    script = """
        import sys
        from nova import concurrency
        concurrency.use("greenlets")
        import pathlib
        from oslo_config import cfg
        from nova.virt import registry
        from nova.virt.types import EventKind, GuestSpec

        pauses, seen = [], []
        def note(event):
            if event.kind != EventKind.RESUMED:
                seen.append(event)
        def tick():
            while True:
                before = concurrency.monotonic()
                concurrency.sleep(0.01)
                pauses.append(concurrency.monotonic() - before)

        conf = cfg.ConfigOpts()
        conf([], project="nova", default_config_files=[])
        registry.load("libvirt", conf, "h", sys.argv[2])
        conf.set_override("connection_uri", sys.argv[1], group="libvirt")
        conf.set_override("virt_type", "qemu", group="libvirt")
        driver = registry.load("libvirt", conf, "h", sys.argv[2])
        driver.listen(note)
        concurrency.spawn(tick)
        driver.start()
        guest = GuestSpec(uuid=concurrency.uuid4(), name="greenlet", display_name="g", vcpus=1, memory_mb=32, root_gb=1)
        driver.spawn(guest)
        driver.power_off(guest.uuid, 0.5)
        while len(seen) < 2:
            concurrency.sleep(0.01)
        driver.destroy(guest.uuid, guest.name)
        driver.stop()
        print([e.kind.value for e in seen], len(pauses) > 20, driver.hypervisor.instances.exists())
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script),
         libvirt_host.overrides["libvirt"]["connection_uri"], str(libvirt_host.state)],
        capture_output=True, text=True, timeout=400, env={**os.environ, "EVENTLET_HUB": "poll"}, check=False)
    assert done.stdout.strip() == "['started', 'stopped'] True True", done.stderr[-3000:]
