# SPDX-License-Identifier: Apache-2.0
"""The state directory of a standalone cloud: what lies where, which options it was started with, whether it runs.

A running cloud holds a lock on the file ``lock``, so nothing stale can be taken for a running one.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from nova import errors


@dataclasses.dataclass(frozen=True)
class Options:
    """What ``up`` was asked for; kept, so that the next ``up`` need not repeat it."""

    listen: str = "127.0.0.1:8774"
    virt: str = "libvirt"
    hosts: int = 1
    cells: int = 1
    database: str | None = None
    bus: str | None = None
    daemons: bool = False
    image: str | None = None
    network_api: bool = False
    log_level: str = "info"

    def check(self) -> None:
        if self.virt != "fake" and self.hosts != 1:
            raise errors.ConfigError("--hosts: with --virt libvirt there is one host, this machine; use --virt fake "
                                     "for more")
        if self.cells > self.hosts:
            raise errors.ConfigError(f"--cells {self.cells}: every cell needs a host; use --hosts {self.cells} or more")
        if self.daemons and not self.bus:
            raise errors.ConfigError("--daemons needs --bus rabbit://USER:PASSWORD@HOST:PORT/VHOST: processes of their "
                                     "own cannot share the bus that is inside one process")
        if self.bus and not self.bus.startswith("rabbit://"):
            raise errors.ConfigError(f"--bus {self.bus}: write rabbit://USER:PASSWORD@HOST:PORT/VHOST")


def default_dir() -> Path:
    """Root has it where daemons keep their state, anybody else at home."""
    if os.geteuid() == 0:
        return Path("/var/lib/nova-standalone")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "nova-standalone"


class StateDir:
    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.options_file = self.path / "options.json"
        self.run_file = self.path / "run.json"
        self.config = self.path / "nova.conf"
        self.log = self.path / "log" / "nova-standalone.log"
        self.images = self.path / "images"
        self.clouds = self.path / "clouds.yaml"
        self.openrc = self.path / "openrc"
        self.passwords = self.path / "passwords.json"
        self.keys = self.path / "keys"

    def create(self) -> None:
        """Others may pass through, as QEMU's user must, but not look around."""
        try:
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            self.path.chmod(0o711)
            for private in (self.log.parent, self.images):
                private.mkdir(mode=0o700, exist_ok=True)
                private.chmod(0o700)
        except OSError as e:
            raise errors.ConfigError(f"--state-dir {self.path}: {e.strerror}; choose a directory of your own") from e

    def lock(self) -> int | None:
        """Take the lock and give its descriptor; None when a cloud runs on this directory."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def running(self) -> bool:
        if not (self.path / "lock").exists():
            return False
        descriptor = self.lock()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def run_info(self) -> dict[str, Any] | None:
        """What the running cloud says of itself; None before it is ready."""
        try:
            found: dict[str, Any] = json.loads(self.run_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return found

    def options(self) -> Options | None:
        try:
            kept = json.loads(self.options_file.read_text())
        except FileNotFoundError:
            return None
        known = {field.name for field in dataclasses.fields(Options)}
        return Options(**{name: value for name, value in kept.items() if name in known})

    def keep_options(self, options: Options) -> None:
        before = self.options()
        if before is not None:
            self._check_change(before, options)
        write(self.options_file, json.dumps(dataclasses.asdict(options), indent=1) + "\n")

    def _check_change(self, before: Options, after: Options) -> None:
        """What is built into the databases cannot be changed by another start."""
        for name in ("database", "virt"):
            if getattr(before, name) != getattr(after, name):
                raise errors.ConfigError(f"--{name}: the cloud in {self.path} was made with "
                                         f"{getattr(before, name) or 'SQLite'}; use another --state-dir")
        if after.cells < before.cells:
            raise errors.ConfigError(f"--cells {after.cells}: the cloud in {self.path} has {before.cells} already")


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all, readable by its owner only unless ``mode`` says more."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
