# SPDX-License-Identifier: Apache-2.0
"""What every command line has in common."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from nova.cmd.manage.commands import nova_manage
from nova.cmd.policy import nova_policy
from nova.cmd.standalone.commands import nova_standalone
from nova.cmd.status import nova_status

TOOLS = [nova_manage, nova_status, nova_policy, nova_standalone]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.name)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete_its_words(tool: click.Group, shell: str) -> None:
    taught = CliRunner().invoke(tool, ["completion", shell])
    assert taught.exit_code == 0, taught.output
    variable = f"_{str(tool.name).upper().replace('-', '_')}_COMPLETE"
    assert variable in taught.output and str(tool.name) in taught.output


@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.name)
def test_its_name_is_that_of_its_script(tool: click.Group) -> None:
    """Completion asks the command under the name that a user types."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert tool.name in project["scripts"]


def walk(command: click.Command, path: str) -> Any:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from walk(inner, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), [pair for tool in TOOLS for pair in walk(tool, str(tool.name))],
                         ids=lambda v: v if isinstance(v, str) else "")
def test_everything_has_a_help_text(path: str, command: click.Command) -> None:
    assert command.help, path
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in ("help", "version"):
            assert option.help, f"{path} {option.opts}"
