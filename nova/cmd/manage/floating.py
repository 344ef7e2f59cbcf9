# SPDX-License-Identifier: Apache-2.0
"""nova-manage floating: the addresses that projects can have led to their servers."""

from __future__ import annotations

import click

from nova.cmd.commandline import Tool
from nova.cmd.manage.tool import State
from nova.networks.pools import Pools


@click.group(cls=Tool)
def floating() -> None:
    """Floating addresses that projects may take."""


@floating.command("create")
@click.argument("pool")
@click.argument("cidr")
@click.option("--interface", help="Interface of the hosts that the addresses of a new pool are known on.")
@click.pass_obj
def floating_create(state: State, /, pool: str, cidr: str, interface: str | None) -> None:
    """Put the addresses CIDR into POOL, which is made when there is none, like: public 203.0.113.0/28."""
    with state.database("api", synced=True) as api:
        made = Pools(api).add(pool, cidr, interface)
        state.show(["Pool", "CIDR"], [[pool, made["cidr"]]])


@floating.command("list")
@click.pass_obj
def floating_list(state: State) -> None:
    """All ranges."""
    with state.database("api", synced=True) as api:
        state.show(["Pool", "CIDR", "Used", "Interface"],
                   [[r["pool"], r["cidr"], r["used"], r["interface"]] for r in Pools(api).list()])


@floating.command("delete")
@click.argument("cidr")
@click.pass_obj
def floating_delete(state: State, /, cidr: str) -> None:
    """Take the range CIDR away, unless a project has one of its addresses."""
    with state.database("api", synced=True) as api:
        Pools(api).remove(cidr)
