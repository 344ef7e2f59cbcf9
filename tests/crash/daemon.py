# SPDX-License-Identifier: Apache-2.0
"""A daemon as its own command runs it, with traps at its checkpoints: ``python -m tests.crash.daemon NAME DIR PROG …``.

The process ends with the one that started it, so that nothing outlives a test run that was killed itself.
"""

from __future__ import annotations

import functools
import importlib
import os
import select
import sys
import threading
from pathlib import Path

from nova.clients import nudges
from nova.concurrency import threads
from tests.crash.traps import Traps

PROGRAMS = {"nova-api": "nova.cmd.api", "nova-scheduler": "nova.cmd.scheduler", "nova-conductor": "nova.cmd.conductor",
            "nova-compute": "nova.cmd.compute", "nova-standalone": "nova.cmd.standalone"}
#: In the environment: every message that only makes things fast is lost.
DEAF = "NOVA_CRASH_DEAF"


def _follow(parent: int) -> None:
    select.select([os.pidfd_open(parent)], [], [])
    os._exit(3)


def _lose(sender: nudges.Sender, label: str, *args: object, **kwargs: object) -> None:
    sender.lost += 1


def main(name: str, directory: str, prog: str, *args: str) -> None:
    threading.Thread(target=_follow, args=[os.getppid()], daemon=True).start()
    threads.observer = functools.partial(Traps(Path(directory)).meet, name)
    if os.environ.get(DEAF):
        nudges.Sender.send = _lose  # type: ignore[assignment,method-assign]
    sys.argv = [prog, *args]
    importlib.import_module(PROGRAMS[prog]).main()


if __name__ == "__main__":
    main(*sys.argv[1:])
