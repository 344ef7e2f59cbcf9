# SPDX-License-Identifier: Apache-2.0
"""Running other programs."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap
import time

import pytest

from nova import errors
from nova.host import processes


def test_what_it_says_and_how_it_ends() -> None:
    done = processes.run(["sh", "-c", "cat; echo oops >&2; exit 3"], input="in", ok=(0, 3))
    assert (done.returncode, done.stdout, done.stderr) == (3, "in", "oops\n")


def test_arguments_are_no_shell_words() -> None:
    assert processes.run(["printf", "%s", "$HOME; `id` *"]).stdout == "$HOME; `id` *"


def test_a_failure_carries_the_last_line_of_the_complaint() -> None:
    with pytest.raises(errors.HostFailure, match="^sh: really bad$") as caught:
        processes.run(["sh", "-c", "echo hm >&2; echo really bad >&2; echo >&2; exit 4"])
    assert caught.value.details["returncode"] == 4


def test_a_silent_failure_is_told_by_its_status() -> None:
    with pytest.raises(errors.HostFailure, match="false: exit status 1"):
        processes.run(["false"])
    with pytest.raises(errors.HostFailure, match="killed by signal 9"):
        processes.run(["sh", "-c", "kill -9 $$"])


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(errors.HostFailure, match="no-such-program cannot be run: No such file"):
        processes.run(["no-such-program"])


def test_one_that_takes_too_long_is_killed_with_its_children(tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(errors.HostFailure, match="did not end within 0.5 s"):
        processes.run(["sh", "-c", f"sleep 100 & echo $! > {pid}; wait"], timeout=0.5)
    end = time.monotonic() + 30
    while _lives(int(pid.read_text())):
        assert time.monotonic() < end, "the child goes on"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """A zombie that nobody has buried yet does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_environment_and_directory(tmp_path: pathlib.Path) -> None:
    done = processes.run(["sh", "-c", "echo $LC_ALL $EXTRA; pwd"], env={"EXTRA": "1"}, cwd=tmp_path)
    assert done.stdout.split() == ["C.UTF-8", "1", os.path.realpath(tmp_path)]


def test_under_greenlets_others_go_on_meanwhile() -> None:
    """In a process of its own, because monkey-patching is for good."""
    script = """
        from nova import concurrency
        concurrency.use("greenlets")
        from nova.host import processes
        ticks = []
        def tick():
            while True:
                ticks.append(1)
                concurrency.sleep(0.01)
        concurrency.spawn(tick)
        print(processes.run(["sh", "-c", "sleep 0.5; echo done"]).stdout.strip(), len(ticks) > 5)
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)], capture_output=True,
                          text=True, timeout=60, check=True)
    assert done.stdout.split() == ["done", "True"]
