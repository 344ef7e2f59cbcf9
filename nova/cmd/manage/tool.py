# SPDX-License-Identifier: Apache-2.0
"""What the operator's tools share: their options, configuration, databases and printing."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import orjson

from nova import __version__, conf, errors
from nova.cmd.commandline import CONTEXT, Tool, completion
from nova.db import migrate
from nova.db.engine import Database

Row = Sequence[Any]


class State:
    """Passed to every command."""

    def __init__(self, prog: str, config_files: Sequence[str], output: str, debug: bool) -> None:
        self.prog, self.output, self.debug = prog, output, debug
        self._files = list(config_files) or None

    @functools.cached_property
    def conf(self) -> Any:
        arguments = [a for file in self._files or () for a in ("--config-file", file)]
        return conf.load(self.prog, arguments)

    @contextlib.contextmanager
    def database(self, which: migrate.Which, *, synced: bool = False) -> Iterator[Database]:
        """The database of the section ``[api_database]`` or ``[database]``, closed at the end."""
        section = self.conf.api_database if which == "api" else self.conf.database
        name = "api_database" if which == "api" else "database"
        if not section.connection:
            raise errors.ConfigError(f"[{name}] connection is not set; write the URL of the {which} database into the "
                                     f"configuration, e.g. postgresql://nova:SECRET@host/nova_{which}")
        database = Database(section.connection, name=which, pool_size=2, synchronous=section.sqlite_synchronous)
        try:
            if synced:
                migrate.check_synced(database, which)
            yield database
        finally:
            database.dispose()

    def show(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Rows in the format that was asked for."""
        if self.output == "json":
            found = [dict(zip((_key(c) for c in columns), row, strict=True)) for row in rows]
            click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2, default=str))
        elif self.output == "value":
            for row in rows:
                click.echo(" ".join(_text(value) for value in row))
        else:
            _table(columns, rows)


def operators_tool(prog: str, state: type[State] = State) -> Callable[[Callable[[], None]], click.Group]:
    """Makes of a function, which is only its documentation, the outermost group of a tool; commands get a ``state``."""
    def decorate(documented: Callable[[], None]) -> click.Group:
        @click.group(prog, cls=Tool, context_settings=CONTEXT, help=inspect.getdoc(documented))
        @click.version_option(__version__, prog_name=prog)
        @click.option("--config-file", "config_files", multiple=True, metavar="FILE",
                      help="Configuration to read; may be repeated. Default: nova.conf in the usual places.")
        @click.option("-f", "--format", "output", type=click.Choice(["table", "json", "value"]), default="table",
                      show_default=True, help="How results are printed.")
        @click.option("--debug", is_flag=True, help="Show where an error comes from.")
        @click.pass_context
        def group(context: click.Context, config_files: tuple[str, ...], output: str, debug: bool) -> None:
            context.obj = state(prog, config_files, output, debug)

        group.add_command(completion)
        return group

    return decorate


def _table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=box.ASCII2)
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def _key(column: str) -> str:
    return column.lower().replace(" ", "_")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
