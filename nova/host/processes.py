# SPDX-License-Identifier: Apache-2.0
"""Other programs: started without a shell, always with a timeout, and what their failure means."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from nova import concurrency, errors

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended and what it said."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(argv: Sequence[str | os.PathLike[str]], *, timeout: float = 60, input: str | bytes | None = None,
        ok: Sequence[int] = (0,), env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None) -> Completed:
    """Run a program to its end while other tasks go on.

    ``env`` is added to the environment; messages are in English whatever the host's language. A return code that is
    not in ``ok``, a program that is not there, and one that takes longer than ``timeout`` seconds (it is killed with
    all its children) raise :class:`errors.HostFailure` with the last line of what it complained.
    """
    words = tuple(os.fspath(a) for a in argv)
    data = input.encode() if isinstance(input, str) else input
    done = concurrency.offload(_run, words, timeout, data, {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}, cwd)
    LOG.debug("%s ended with %d", words, done.returncode)
    if done.returncode not in ok:
        raise errors.HostFailure(f"{words[0]}: {_complaint(done)}", returncode=done.returncode)
    return done


def _run(argv: tuple[str, ...], timeout: float, data: bytes | None, env: Mapping[str, str],
         cwd: str | os.PathLike[str] | None) -> Completed:
    stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
    try:
        child = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,  # noqa: S603
                                 env=env, cwd=cwd, start_new_session=True)
    except OSError as e:
        raise errors.HostFailure(f"{argv[0]} cannot be run: {e.strerror}.") from e
    with child:
        try:
            out, err = child.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise errors.HostFailure(f"{argv[0]} did not end within {timeout:g} s and was killed.") from None
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
    return Completed(argv, child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _complaint(done: Completed) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if lines:
        return lines[-1]
    return f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
