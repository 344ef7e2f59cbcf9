# SPDX-License-Identifier: Apache-2.0
"""A libvirt daemon of a test's own, with virtlogd, guests and all in namespaces of their own; needs root.

The daemons see a directory of ours in place of the machine's /run/libvirt, /etc/libvirt and so on, and live in a
process namespace whose end is the end of every guest. Sockets are reached from outside through that directory.

    with Libvirtd() as libvirtd:
        libvirt.open(libvirtd.uri)
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.services.process import ServiceError

PRIVATE = {"run": "/run/libvirt", "lib": "/var/lib/libvirt", "etc": "/etc/libvirt", "cache": "/var/cache/libvirt",
           "log": "/var/log/libvirt"}
KVM = Path("/dev/kvm")
CONFIGS = {
    "libvirtd.conf": ["listen_tls = 0", 'auth_unix_rw = "none"', 'unix_sock_rw_perms = "0700"',
                      'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"'],
    "qemu.conf": ['user = "root"', 'group = "root"', 'security_driver = "none"', "dynamic_ownership = 0",
                  "remember_owner = 0", "cgroup_controllers = [ ]", "namespaces = [ ]"],
    "virtlogd.conf": [],
}


class Libvirtd:
    """``netns`` is the name of a network namespace to live in; otherwise the machine's network is used.

    ``as_installed`` leaves the settings for QEMU as the distribution has them: guests run as a user of their own.
    ``listen`` is an address at which other daemons reach this one over TCP, to bring guests. ``hostname``: what the
    machine is called in there, if not as it is. ``certificates``: files by name that QEMU shows where guests move to.
    """

    def __init__(self, netns: str | None = None, *, as_installed: bool = False, listen: str | None = None,
                 hostname: str | None = None, certificates: Mapping[str, bytes] | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="nova-libvirtd-"))
        self.directory.chmod(0o755)
        self.netns = netns
        self._as_installed = as_installed
        self._listen = listen
        self._hostname = hostname
        self._certificates = certificates or {}
        self._qemu_conf = CONFIGS["qemu.conf"][-2:] if as_installed else CONFIGS["qemu.conf"]
        self._holder: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Libvirtd:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.directory}/run/libvirt-sock"

    @property
    def log(self) -> Path:
        return self.directory / "log" / "libvirtd.log"

    def start(self) -> None:
        self._prepare()
        self._hold()
        self._launch("virtlogd")
        _wait(lambda: (self.directory / "run" / "virtlogd-sock").exists(), "virtlogd did not start")
        self.start_daemon()

    def start_daemon(self, seconds: float = 180) -> None:
        """Start libvirtd alone; guests that are running are found again."""
        self._launch("libvirtd")
        end = time.monotonic() + seconds
        while subprocess.run(["virsh", "-q", "-c", self.uri, "version"], capture_output=True, timeout=60,
                             check=False).returncode:
            if time.monotonic() > end or self._daemons["libvirtd"].poll() is not None:
                tail = self.log.read_text()[-2000:] if self.log.exists() else "no log"
                raise ServiceError(f"libvirtd did not answer: {tail}")
            time.sleep(0.1)

    def stop_daemon(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop libvirtd alone; guests go on."""
        self._end("libvirtd", number)

    def signal_daemon(self, number: signal.Signals) -> None:
        _signal(self._daemons["libvirtd"], number)

    def enter(self, *argv: str) -> list[str]:
        """What runs ``argv`` in the namespaces of the daemon."""
        return ["nsenter", "--target", str(self._init), "--mount", "--pid", "--net", "--uts", "--", *argv]

    @property
    def init(self) -> int:
        """The first process of those namespaces."""
        return self._init

    def remove(self) -> None:
        """End the daemons and all guests, and leave nothing."""
        for program in reversed(list(self._daemons)):
            self._end(program, signal.SIGTERM)
        if self._holder:
            self._holder.kill()  # with it, by --kill-child, everything in its process namespace
            self._holder.wait(30)
            self._holder = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self) -> None:
        for name in PRIVATE:
            (self.directory / name).mkdir(exist_ok=True)
        for place in ("lib/qemu", "lib/images", "lib/boot", "etc/qemu"):
            (self.directory / place).mkdir(parents=True, exist_ok=True)
        for name, lines in {**CONFIGS, "qemu.conf": self._qemu_conf}.items():
            (self.directory / "etc" / name).write_text("".join(line + "\n" for line in lines))
        if self._certificates:
            (self.directory / "etc" / "pki").mkdir(exist_ok=True)
            for name, data in self._certificates.items():
                (self.directory / "etc" / "pki" / name).write_bytes(data)
            with (self.directory / "etc" / "qemu.conf").open("a") as conf:
                conf.write('migrate_tls_x509_cert_dir = "/etc/libvirt/pki"\n')
        if self._listen:
            with (self.directory / "etc" / "libvirtd.conf").open("a") as conf:  # a host takes no guests of itself
                conf.write(f'listen_tcp = 1\nauth_tcp = "none"\nlisten_addr = "{self._listen}"\n'
                           f'host_uuid = "{uuid.uuid4()}"\n')

    def _hold(self) -> None:
        """Make the namespaces. Their first process adopts what the daemons leave and, ignoring SIGCHLD, buries it."""
        binds = " && ".join(f"mkdir -p {there} && mount --bind {self.directory / name} {there}"
                            for name, there in PRIVATE.items())
        if self._as_installed and KVM.exists():
            binds += f" && mount --bind {self._kvm()} {KVM}"
        if self._hostname:
            binds += f" && hostname {self._hostname}"
        enter = ["ip", "netns", "exec", self.netns] if self.netns else []
        self._holder = subprocess.Popen(
            [*enter, "setpriv", "--pdeathsig", "KILL",  # should our own process be killed
             "unshare", "--uts", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
             "--mount-proc",
             "sh", "-c", f"{binds} && touch {self.directory}/ready && exec env --ignore-signal=CHLD sleep infinity"],
            stdin=subprocess.DEVNULL, start_new_session=True)
        _wait(lambda: (self.directory / "ready").exists(),
              "the namespaces for libvirtd cannot be made; this needs root")
        self._init = _children(self._holder.pid)[0]

    def _kvm(self) -> Path:
        """As udev makes it, whether or not there is udev here. libvirt asks QEMU for what it can do again and again,
        for many seconds each time, while root can open the device and QEMU's user cannot."""
        node = self.directory / "kvm"
        os.mknod(node, 0o600 | stat.S_IFCHR, KVM.stat().st_rdev)
        node.chmod(0o666)
        return node

    def _launch(self, program: str) -> None:
        """Through nsenter, which waits for the daemon and ends as it ends."""
        with (self.directory / f"{program}.out").open("ab") as out:
            self._daemons[program] = subprocess.Popen(
                self.enter(program, *(["--listen"] if self._listen and program == "libvirtd" else []),
                           "--pid-file", f"/run/libvirt/{program}.pid"),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

    def _end(self, program: str, number: signal.Signals) -> None:
        waiting = self._daemons.pop(program)
        _signal(waiting, number)
        try:
            waiting.wait(30)
        except subprocess.TimeoutExpired:
            _signal(waiting, signal.SIGKILL)
            waiting.wait(30)


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _wait(condition: Callable[[], bool], otherwise: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ServiceError(otherwise)
        time.sleep(0.01)


def _signal(nsenter: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the daemon, not to nsenter: it must live to bury its child."""
    if nsenter.poll() is None:
        for child in _children(nsenter.pid):
            os.kill(child, number)
        if number == signal.SIGCONT:  # nsenter stops with its child
            nsenter.send_signal(number)
