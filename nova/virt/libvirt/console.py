# SPDX-License-Identifier: Apache-2.0
"""What guests write to their serial port, and where their screens are."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from lxml import etree

from nova import concurrency, errors
from nova.virt.console import MAX_CHARS, tail
from nova.virt.interfaces import Console
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.types import ConsoleAddress


class LibvirtConsole(Console):
    hypervisor: Hypervisor

    def console_log(self, uuid: str, lines: int | None = None) -> str:
        log = self.hypervisor.directory(uuid) / "console.log"
        if not log.exists():
            raise errors.NotFound(f"Guest {uuid} has no console log on this host.")
        # virtlogd starts a new file when one is full
        data = concurrency.offload(lambda: _end(log.with_name("console.log.0")) + _end(log))
        return tail(data.decode(errors="replace"), lines)

    def vnc(self, uuid: str) -> ConsoleAddress:
        root = etree.fromstring(self.hypervisor.connection.domain(uuid, _document))
        graphics = root.find("devices/graphics[@type='vnc']")
        port = int(graphics.get("port", "-1")) if graphics is not None else -1
        if port <= 0:
            raise errors.Conflict("The console is there only while the server is running.")
        return ConsoleAddress("vnc", graphics.get("listen") or "127.0.0.1", port)


def _document(dom: Any) -> str:
    text: str = dom.XMLDesc(0)
    return text


def _end(path: pathlib.Path) -> bytes:
    try:
        with open(path, "rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - MAX_CHARS))
            return f.read()
    except FileNotFoundError:
        return b""
