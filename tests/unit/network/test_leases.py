# SPDX-License-Identifier: Apache-2.0
"""dnsmasq's script and nova-network, over their real socket; the script as the program that dnsmasq starts."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

import nova
from nova.cmd import dhcpbridge
from nova.network.leases import Leases, LeaseSocket, short_path

ROOT = pathlib.Path(nova.__path__[0]).parent
SERVED = {("fa:16:3e:00:00:01", "10.0.0.2"), ("fa:16:3e:00:00:02", "10.0.0.3")}


@pytest.fixture
def events() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture(params=["short", "long" * 30])
def path(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> pathlib.Path:
    """Also where the name of a socket would not fit."""
    directory = tmp_path / str(request.param)
    directory.mkdir()
    return directory / "leases.sock"


@pytest.fixture
def served(path: pathlib.Path, events: list[tuple[str, str, str]]) -> Iterator[pathlib.Path]:
    leases = Leases(lambda mac, address: (mac, address) in SERVED, lambda *event: events.append(event))
    listener = LeaseSocket(path, leases.handle)
    listener.start()
    yield path
    listener.stop()
    assert not path.exists()


def script(path: pathlib.Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nova.cmd.dhcpbridge", *words]
    full = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "NOVA_DHCPBRIDGE_SOCKET": str(path), **env}
    return subprocess.run(command, env=full, capture_output=True, text=True, timeout=60)


def test_leases_come_and_go(served: pathlib.Path, events: list[tuple[str, str, str]]) -> None:
    br = {"DNSMASQ_INTERFACE": "br100", "DNSMASQ_TIME_REMAINING": "120"}
    assert script(served, "add", "fa:16:3e:00:00:01", "10.0.0.2", "vm1", **br).returncode == 0
    assert script(served, "old", "fa:16:3e:00:00:01", "10.0.0.2", "vm1", **br).returncode == 0
    assert script(served, "old", "fa:16:3e:00:00:02", "10.0.0.3", DNSMASQ_CLIENT_ID="01:02", **br).returncode == 0
    assert script(served, "add", "fa:16:3e:00:00:99", "10.0.0.9", **br).returncode == 0
    assert [e for e in events if e[2] != "add"] == [("fa:16:3e:00:00:02", "10.0.0.3", "old")]
    known = [line.split()[1:] for line in script(served, "init", **br).stdout.splitlines()]
    assert known == [["fa:16:3e:00:00:01", "10.0.0.2", "vm1", "*"], ["fa:16:3e:00:00:02", "10.0.0.3", "*", "01:02"]]
    assert script(served, "init", DNSMASQ_INTERFACE="br101").stdout == ""
    assert script(served, "del", "fa:16:3e:00:00:01", "10.0.0.2", **br).returncode == 0
    assert events[-1] == ("fa:16:3e:00:00:01", "10.0.0.2", "del")
    assert len(script(served, "init", **br).stdout.splitlines()) == 1


def test_leases_that_ended_are_not_told_to_dnsmasq() -> None:
    leases = Leases(lambda mac, address: True, lambda *event: None)
    message = {"event": "add", "mac": "m", "address": "10.0.0.2", "interface": "br100"}
    leases.handle({**message, "remaining": 0})
    assert leases.handle({"event": "init", "interface": "br100"}) == {"leases": []}
    leases.handle({**message, "remaining": 100})
    assert len(leases.handle({"event": "init", "interface": "br100"})["leases"]) == 1


def test_nobody_listens(path: pathlib.Path) -> None:
    """Start-up goes on without a memory of leases; a change is reported as not heard."""
    done = script(path, "init")
    assert (done.returncode, done.stdout) == (0, "") and "was not told" in done.stderr
    done = script(path, "add", "fa:16:3e:00:00:01", "10.0.0.2")
    assert done.returncode == 1 and "add fa:16:3e:00:00:01 10.0.0.2" in done.stderr


def test_a_mute_listener_does_not_hold_dnsmasq(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dhcpbridge, "TIMEOUT", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute, short_path(path) as name:
        mute.bind(name)
        mute.listen()
        with pytest.raises(TimeoutError):
            dhcpbridge.tell(str(path), {"event": "add"})


def test_rubbish_does_not_stop_the_listener(served: pathlib.Path) -> None:
    for rubbish in (b"\n", b"[]\n", b"{", b'{"event": "tftp"}\n'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer, short_path(served) as name:
            peer.connect(name)
            peer.sendall(rubbish)
    assert script(served, "add", "fa:16:3e:00:00:01", "10.0.0.2").returncode == 0


def test_only_its_own_user_may_speak(served: pathlib.Path) -> None:
    assert served.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--help",), 0), (("tftp", "a", "b"), 0), (("add",), 0)])
def test_other_calls(tmp_path: pathlib.Path, words: tuple[str, ...], code: int) -> None:
    assert script(tmp_path / "none", *words).returncode == code


def test_it_starts_without_the_rest_of_nova() -> None:
    code = "import sys, nova.cmd.dhcpbridge; print(*[m for m in sys.modules if m.startswith(('nova.', 'oslo'))])"
    out = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                         timeout=60, check=True).stdout
    assert set(out.split()) == {"nova.cmd", "nova.cmd.dhcpbridge"}
