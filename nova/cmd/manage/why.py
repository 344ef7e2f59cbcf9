# SPDX-License-Identifier: Apache-2.0
"""nova-manage why: what a server waits for and what was tried, in words."""

from __future__ import annotations

import click
import orjson

from nova.cmd.manage.reach import cells_of
from nova.cmd.manage.tool import State
from nova.conductor.why import Patience, explain


@click.command("why")
@click.argument("server")
@click.pass_obj
def why(state: State, server: str) -> None:
    """Explain the server with the UUID SERVER: what it is, what it waits for, what was tried, what comes next and when.

    Works for servers in every state, also for those in cell0 and in cells that do not answer.
    """
    conf = state.conf
    patience = Patience(float(conf.lease), float(conf.service_down_time), float(conf.report_interval))
    with cells_of(state) as (api, cells):
        found = explain(api, cells, server, patience)
    if state.output == "json":
        click.echo(orjson.dumps(found.facts | {"told": found.told}, option=orjson.OPT_INDENT_2, default=str))
    else:
        for sentence in found.told:
            click.echo(sentence)
