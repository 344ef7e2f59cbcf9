# SPDX-License-Identifier: Apache-2.0
"""What the driver suite needs of each driver: how it is made, made again, and fed with guests."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import subprocess
import time
import uuid
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from nova.virt import registry
from nova.virt.types import GuestSpec, ImageSource, Nic
from tests.contract.drivers import table
from tests.services import tinyguest
from tests.services.files import FileServer


@dataclasses.dataclass
class Harness:
    """One host under test. ``boot_mark`` is what the console shows once for each boot."""

    name: str
    state: pathlib.Path
    overrides: dict[str, dict[str, Any]]
    boot_mark: str
    image: ImageSource | None = None
    bridge: str | None = None
    opened: list[Any] = dataclasses.field(default_factory=list)

    def open(self, **options: Any) -> Any:
        """A started driver, as a process has it that just began. ``options`` are of the driver's section."""
        conf = cfg.ConfigOpts()
        conf([], project="nova", default_config_files=[])
        driver = registry.load(self.name, conf, "host1", self.state)
        conf.set_override("my_ip", "192.0.2.1")
        for group, values in {**self.overrides, self.name: {**self.overrides.get(self.name, {}), **options}}.items():
            for option, value in values.items():
                conf.set_override(option, value, group=None if group == "DEFAULT" else group)
        if options or self.overrides:
            driver = registry.load(self.name, conf, "host1", self.state)  # for what is read when it is made
        table.watch(driver, self.name)
        driver.start()
        self.opened.append(driver)
        return driver

    def guest(self, **changes: Any) -> GuestSpec:
        port = str(uuid.uuid4())
        nic = Nic.from_vif({"id": port, "address": "fa:16:3e:" + ":".join(port[i:i + 2] for i in (0, 2, 4)),
                            "network": {"bridge": self.bridge, "mtu": 1450}, "ips": [{"address": "10.0.0.5"}]})
        values: dict[str, Any] = {
            "uuid": str(uuid.uuid4()), "name": f"instance-{uuid.uuid4().hex[:8]}", "display_name": "web",
            "vcpus": 1, "memory_mb": 32, "root_gb": 1, "image": self.image, "nics": (nic,),
            "project_id": "p1", "user_id": "u1", "flavor": {"name": "m1.nano"},
        }
        return GuestSpec(**{**values, **changes})

    def close(self) -> None:
        for driver in self.opened:
            for guest in driver.list():
                driver.destroy(guest, "")
            driver.stop()


def eventually(condition: Callable[[], Any], seconds: float = 180) -> Any:
    """Wait for what comes about by itself; its value, once true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return value


def serve_image(server: FileServer, name: str, disk_format: str = "qcow2") -> ImageSource:
    """Put the tiny guest on a server, as an image in the given format."""
    raw = tinyguest.write_raw(server.directory / "tiny.raw")
    path = server.directory / name
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", disk_format, raw, path], check=True, timeout=60)
    data = path.read_bytes()
    return ImageSource(id=str(uuid.uuid4()), url=server.url(name), size=len(data), disk_format=disk_format,
                       hash_algo="sha512", hash_value=hashlib.sha512(data).hexdigest())
