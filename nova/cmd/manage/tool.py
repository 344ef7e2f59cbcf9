# SPDX-License-Identifier: Apache-2.0
"""What the operator's commands share: configuration, databases, printing, and errors as one line."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import click
import orjson

from nova import conf, errors
from nova.db import migrate
from nova.db.engine import Database

Row = Sequence[Any]


class Tool(click.Group):
    """A group of commands whose errors by meaning are one line on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except errors.NovaError as e:
            state = ctx.find_object(State)
            if state is not None and state.debug:
                raise
            cause = e.details.get("cause")
            text = f"{e.message} ({cause})" if cause else e.message
            raise click.ClickException(" ".join(text.split())) from e


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
