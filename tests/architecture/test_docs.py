# SPDX-License-Identifier: Apache-2.0
"""What the pages name exists: files, commands and their options, options of the configuration, APIs, decisions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from nova import conf
from nova.cmd.manage.commands import nova_manage
from nova.cmd.policy import nova_policy
from nova.cmd.standalone.commands import nova_standalone
from nova.cmd.status import nova_status

ROOT = Path(__file__).parents[2]
DOC = ROOT / "doc"
PAGES = sorted([*DOC.glob("source/**/*.rst"), *DOC.glob("source/**/*.md"), *DOC.glob("decisions/*.md"),
                ROOT / "README.rst"])
COMMANDS: dict[str, click.Group] = {"nova-manage": nova_manage, "nova-standalone": nova_standalone,
                                    "nova-status": nova_status, "nova-policy": nova_policy}
#: Sections that libraries bring.
FOREIGN = {"oslo_policy", "oslo_messaging_rabbit", "oslo_messaging_notifications", "oslo_concurrency",
           "keystone_authtoken"}


def named(pattern: str) -> Iterator[tuple[str, str]]:
    """(page, what the first group of the pattern found) over all pages."""
    for page in PAGES:
        for found in re.finditer(pattern, page.read_text(encoding="utf-8"), re.M):
            yield page.name, found.group(1)


def test_files_that_are_named_exist() -> None:
    paths = list(named(r"`((?:nova|tests|tools|etc|doc|\.ci)/[\w./-]+)`"))
    assert len(paths) > 40
    assert [(page, path) for page, path in paths if not (ROOT / path).exists()] == []


def lines_of(command: str) -> Iterator[tuple[str, list[str]]]:
    """The words of each call of a command in an example, continued lines joined."""
    for page in PAGES:
        text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
        for found in re.finditer(rf"^\s+[$#] (?:runuser -u \w+ -- )?{command} (.+)$", text, re.M):
            yield page.name, shlex.split(found.group(1))


def follow(group: click.Command, words: list[str]) -> str | None:
    """What is wrong with a call; None when it could be run."""
    command, rest = group, list(words)
    context = click.Context(group)
    while rest:
        word = rest.pop(0)
        if word.startswith("-"):
            name, _, value = word.partition("=")
            option = next((p for p in command.get_params(context) if name in p.opts + p.secondary_opts), None)
            if option is None:
                return f"{command.name} has no option {name}"
            if isinstance(option, click.Option) and not option.is_flag and not value:
                rest.pop(0)
        elif isinstance(command, click.Group):
            below = command.commands.get(word)
            if below is None:
                return f"{command.name} has no command {word}"
            command = below
    return f"{command.name} needs a command" if isinstance(command, click.Group) and words != ["--help"] else None


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_are_shown_exist(name: str) -> None:
    calls = list(lines_of(name))
    assert calls
    wrong = [(page, words, why) for page, words in calls if (why := follow(COMMANDS[name], words))]
    assert wrong == []


def test_options_that_are_named_exist() -> None:
    known: dict[str, set[str]] = {}
    for group, opts in conf.list_opts():
        known.setdefault(group or "DEFAULT", set()).update(opt.name for opt in opts)
    options = [(page, *text.split("] ")) for page, text in named(r"`\[(\w+\] \w+)(?: = [\w.]+)?`")]
    assert options
    assert [o for o in options if o[1] not in FOREIGN and o[2] not in known.get(o[1], ())] == []


def test_every_api_has_its_table() -> None:
    shown = {prefix.split("/")[1] for _, prefix in named(r"^\.\. nova-routes:: (\S+)$")}
    assert shown == {"compute", "identity", "image", "network", "placement"}


def test_every_page_of_an_option_can_be_written() -> None:
    """The help texts are the page."""
    silent: list[Any] = [(group, opt.name) for group, opts in conf.list_opts() for opt in opts if not opt.help]
    assert silent == []


def test_decisions_are_short_and_whole() -> None:
    records = sorted((DOC / "decisions").glob("*.md"))
    assert [r.name[:4] for r in records] == [f"{n + 1:04d}" for n in range(len(records))]
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert text.startswith(f"# {record.name[:4]} "), record.name
        assert len(text.splitlines()) <= 25, record.name
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.M) == ["Context", "Decision", "Consequence"], record.name
