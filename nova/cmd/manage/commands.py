# SPDX-License-Identifier: Apache-2.0
"""The command line of nova-manage: global options, groups, and how an error ends it."""

from __future__ import annotations

from typing import NoReturn

from nova.cmd.manage import cells, content, databases, hosts
from nova.cmd.manage.audit import audit
from nova.cmd.manage.floating import floating
from nova.cmd.manage.operations import operation
from nova.cmd.manage.tool import operators_tool
from nova.cmd.manage.why import why


@operators_tool("nova-manage")
def nova_manage() -> None:
    """Administer the databases, cells and hosts of a cloud.

    Exit codes: 0 done, 1 not possible (the message says why), 2 wrong usage.
    """


nova_manage.add_command(databases.api_db)
nova_manage.add_command(databases.db)
nova_manage.add_command(cells.cell_v2)
nova_manage.add_command(hosts.host)
nova_manage.add_command(content.identity)
nova_manage.add_command(content.flavor)
nova_manage.add_command(content.network)
nova_manage.add_command(floating)
nova_manage.add_command(audit)
nova_manage.add_command(operation)
nova_manage.add_command(why)


def main() -> NoReturn:
    nova_manage.main(prog_name="nova-manage", standalone_mode=True)
    raise SystemExit(0)
