# SPDX-License-Identifier: Apache-2.0
"""Users of a running cloud: the unmodified ``openstack`` command and openstacksdk; and how tests wait for things."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import openstack
from openstack.config import OpenStackConfig

from tests.integration.site import Site, environment

T = TypeVar("T")
#: Emulated guests on a busy machine boot slowly.
PATIENCE = 240.0


def eventually(look: Callable[[], T], what: str, seconds: float = PATIENCE, pause: float = 0.3) -> T:
    """The first true answer of ``look``; AssertionError, with the last answer, when there is none in time."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s; the last answer was {found!r}"
        time.sleep(pause)
    return found


def sdk(clouds: Path, cloud: str) -> openstack.connection.Connection:
    """openstacksdk as a user; it speaks from the network that the calling thread is in."""
    config = OpenStackConfig(config_files=[str(clouds)], load_envvars=False)
    return openstack.connection.Connection(config=config.get_one(cloud=cloud))


class OpenStackCommand:
    """The ``openstack`` command as a user, on the machine of ``site`` if there is one."""

    def __init__(self, clouds: Path, cloud: str, site: Site | None = None) -> None:
        self._env = {"OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLOUD": cloud}
        self._site = site

    def __call__(self, *words: str) -> Any:
        """One command; its answer as data. Raises AssertionError, with what it said, when it fails."""
        return json.loads(self.text(*words, "-f", "json"))

    def text(self, *words: str) -> str:
        done = self._run(list(words))
        assert done.returncode == 0, f"openstack {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words: str) -> str:
        """What the command says when it fails, as it must."""
        done = self._run(list(words))
        assert done.returncode != 0, done.stdout
        return done.stderr

    def all(self, *commands: str) -> list[Any]:
        """Several commands in one process, which starts slowly; the answers of those that answer in JSON."""
        done = self._run([], "\n".join(commands))
        assert not done.stderr, done.stderr
        answers, text = [], done.stdout
        while text := text.lstrip():
            if text[0] not in "[{":  # such as "Complete"
                text = text.partition("\n")[2]
                continue
            answer, end = json.JSONDecoder().raw_decode(text)
            answers.append(answer)
            text = text[end:]
        return answers

    def _run(self, words: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [str(Path(sys.executable).with_name("openstack")), *words]
        return subprocess.run(self._site.command(*argv) if self._site else argv, env=environment(**self._env),
                              input=stdin, capture_output=True, text=True, timeout=PATIENCE)
