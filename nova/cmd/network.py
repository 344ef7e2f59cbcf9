# SPDX-License-Identifier: Apache-2.0
"""nova-network: bridges, DHCP and filters of this host. It has no database and no module of ours that speaks to one."""

from __future__ import annotations

from typing import Any, NoReturn

from nova.cmd import service

PROG = "nova-network"


def build(conf: Any) -> service.Graph:
    from nova.cmd.wiring.broker import host_bus
    from nova.cmd.wiring.host import network_service

    return network_service(conf, host_bus(conf, PROG), conf.host)


def main() -> NoReturn:
    service.main(PROG, build)


if __name__ == "__main__":
    main()
