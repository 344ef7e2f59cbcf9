# SPDX-License-Identifier: Apache-2.0
"""Holds one server for a whole test session: ``python -m tests.services.hold postgresql DIR PID``.

The process starts the server, writes ``DIR/<kind>.json`` when it answers, and stops it and removes its data as soon as
the process PID, the test session's, has ended in whatever way.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

#: Where the class of each kind stands.
KINDS = {
    "postgresql": ("tests.services.postgresql", "PostgreSQL"),
    "mariadb": ("tests.services.mariadb", "MariaDB"),
    "rabbitmq": ("tests.services.rabbitmq", "RabbitMQ"),
}


def service_class(kind: str) -> Any:
    module, name = KINDS[kind]
    return getattr(importlib.import_module(module), name)


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(0)


def main(kind: str, directory: str, pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the session; its end ends us
    signal.signal(signal.SIGTERM, _leave)
    session = os.pidfd_open(pid)
    service = service_class(kind)()
    answer = Path(directory) / f"{kind}.json"
    try:
        try:
            service.start()
            found: dict[str, Any] = {"info": service.info(), "holder": os.getpid()}
        except Exception:
            found = {"error": traceback.format_exc()}
        draft = answer.with_suffix(".new")
        draft.write_text(json.dumps(found))
        draft.rename(answer)
        if "info" in found:
            select.select([session], [], [])
    finally:
        service.remove()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
