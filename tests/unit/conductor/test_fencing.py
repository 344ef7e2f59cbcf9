# SPDX-License-Identifier: Apache-2.0
"""Fencing plug-ins: what comes along, what a command may do, which are refused; and who wants to be evacuated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova import conf, errors
from nova.conductor import fencing
from nova.objects.availability import policy


def options(**values: Any) -> cfg.ConfigOpts:
    made = conf.load("nova-test", [], [], cfg.ConfigOpts())
    for name, value in values.items():
        made.set_override(name, value, "ha")
    return made


def test_manual_never_knows() -> None:
    assert fencing.load(options()).fence("node7") is None


def test_a_command_gets_the_host_and_no_shell(tmp_path: Path) -> None:
    note = tmp_path / "note"
    program = f"{sys.executable} -c 'import sys; open(sys.argv[1], \"w\").write(sys.argv[2])' {note} '{{host}}; rm x'"
    known = fencing.load(options(fencing="command", fence_command=program)).fence("node7")
    assert known is not None and sys.executable in known
    assert note.read_text() == "node7; rm x"


@pytest.mark.parametrize("words, told", [
    ("sh -c 'echo no such outlet >&2; exit 3'", "no such outlet"), ("sleep 60", "did not end within"),
    ("/nonexistent/program {host}", "cannot be run")])
def test_a_command_that_fails_has_fenced_nothing(words: str, told: str) -> None:
    plugin = fencing.load(options(fencing="command", fence_command=words, fence_timeout=1.0))
    with pytest.raises(errors.HostFailure, match=told):
        plugin.fence("node7")


@pytest.mark.parametrize("values, told", [
    ({"fencing": "command"}, "fence_command"), ({"fencing": "command", "fence_command": " "}, "fence_command"),
    ({"fencing": "prayer"}, "command, manual")])
def test_what_cannot_be_used_is_said_at_the_start(values: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.ConfigError, match=told):
        fencing.load(options(**values))


@pytest.mark.parametrize("metadata, specs, wanted", [
    ({}, {}, "none"), ({"ha:policy": "evacuate"}, {}, "evacuate"), ({}, {"ha:policy": "Evacuate "}, "evacuate"),
    ({"ha:policy": "none"}, {"ha:policy": "evacuate"}, "none"), ({"ha:policy": "restart"}, {}, "none"),
    (None, {}, "none")])
def test_the_servers_own_word_goes_before_its_flavors(metadata: Any, specs: dict[str, str], wanted: str) -> None:
    assert policy(metadata, {"extra_specs": specs}) == wanted
    assert policy(metadata, None) == policy(metadata, {})
