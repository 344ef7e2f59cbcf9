# SPDX-License-Identifier: Apache-2.0
"""nova-compute: runs the guests of this host. It has no database, and no module of ours that speaks to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from nova.cmd import service

PROG = "nova-compute"


def build(conf: Any) -> service.Graph:
    from nova.cmd.wiring.broker import host_bus
    from nova.cmd.wiring.host import compute_service

    return compute_service(conf, host_bus(conf, PROG), conf.host, Path(conf.state_path),
                           driver_name=conf.compute_driver)


def main() -> NoReturn:
    service.main(PROG, build)


if __name__ == "__main__":
    main()
