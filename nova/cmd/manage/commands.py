# SPDX-License-Identifier: Apache-2.0
"""The command line of nova-manage: global options, groups, and how an error ends it."""

from __future__ import annotations

from typing import NoReturn

import click

from nova import __version__
from nova.cmd.manage import cells, content, databases, hosts
from nova.cmd.manage.audit import audit
from nova.cmd.manage.tool import State, Tool


@click.group(cls=Tool, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--config-file", "config_files", multiple=True, metavar="FILE",
              help="Configuration to read; may be repeated. Default: nova.conf in the usual places.")
@click.option("-f", "--format", "output", type=click.Choice(["table", "json", "value"]), default="table",
              show_default=True, help="How results are printed.")
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.pass_context
def nova_manage(context: click.Context, config_files: tuple[str, ...], output: str, debug: bool) -> None:
    """Administer the databases, cells and hosts of a cloud.

    Exit codes: 0 done, 1 not possible (the message says why), 2 wrong usage.
    """
    context.obj = State("nova-manage", config_files, output, debug)


nova_manage.add_command(databases.api_db)
nova_manage.add_command(databases.db)
nova_manage.add_command(cells.cell_v2)
nova_manage.add_command(hosts.host)
nova_manage.add_command(content.identity)
nova_manage.add_command(content.flavor)
nova_manage.add_command(content.network)
nova_manage.add_command(audit)


def main() -> NoReturn:
    nova_manage.main(prog_name="nova-manage", standalone_mode=True)
    raise SystemExit(0)
