# SPDX-License-Identifier: Apache-2.0
"""What up, status and down do from outside: start the process, wait for it, look at it, end it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import Any

import click
import orjson

from nova import __version__, concurrency, errors
from nova.cmd.standalone.state import Options, StateDir
from nova.cmd.urls import masked

_UP_WITHIN = 120.0
_DOWN_WITHIN = 90.0
_DOWN = 3


def up(state: StateDir, options: Options, *, foreground: bool) -> None:
    lock = state.lock()
    if lock is None:
        info = _wait_ready(state, None)
        click.echo(f"nova-standalone is running already: {info['url']} (pid {info['pid']}), state in {state.path}")
        return
    state.keep_options(options)
    if foreground:
        from nova.cmd.standalone.run import run

        run(state)
    began = concurrency.monotonic()
    state.run_file.unlink(missing_ok=True)
    start = state.log.stat().st_size if state.log.exists() else 0
    with state.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "nova.cmd.standalone", "run", "--state-dir", str(state.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,), cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})
    os.close(lock)
    try:
        info = _wait_ready(state, process)
    except errors.NovaError:
        process.terminate()
        process.wait(_DOWN_WITHIN)
        words = _last_line(state, start)
        raise errors.ConfigError(words.removeprefix("nova-standalone: ") or f"no start; see {state.log}") from None
    process.returncode = 0  # it goes on without us, and is not to be waited for
    click.echo(f"nova-standalone is up after {concurrency.monotonic() - began:.1f} s: {info['url']}\n"
               f"  clients:  export OS_CLIENT_CONFIG_FILE={state.clouds} OS_CLOUD=demo   (or admin)\n"
               f"  log:      {state.log}")


def _wait_ready(state: StateDir, process: subprocess.Popen[bytes] | None) -> dict[str, Any]:
    """Until the cloud answers. Without a process of ours another ``up`` is waited for."""
    end = concurrency.monotonic() + _UP_WITHIN
    while concurrency.monotonic() < end:
        info = state.run_info()
        if info is not None and _get(info["url"], "/healthz")[0] == 200:
            return info
        if process is not None and process.poll() is not None:
            break
        concurrency.sleep(0.03)
    raise errors.Unavailable("The cloud does not answer")


def _last_line(state: StateDir, start: int) -> str:
    with state.log.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _get(url: str, path: str) -> tuple[int, Any]:
    """Status and JSON body; (0, None) when nothing answers."""
    import http.client  # only now: while the cloud is starting already
    import urllib.parse

    parsed = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parsed.hostname or "", parsed.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, orjson.loads(body) if body.startswith(b"{") else None
    except OSError:
        return 0, None
    finally:
        connection.close()


def status(state: StateDir, output: str) -> int:
    """Print what there is; the exit code."""
    options, info = state.options(), state.run_info() if state.running() else None
    if info is None or options is None:
        if output == "json":
            click.echo(orjson.dumps({"state": "down", "state_dir": str(state.path)}))
        else:
            click.echo(f"nova-standalone is down, state in {state.path}")
        return _DOWN
    from nova.cmd.standalone.layout import Layout

    found = describe(Layout(state, options), info)
    if output == "json":
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        for name, value in found.items():
            click.echo(f"{name + ':':12}" + _words(value))
    return 0


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n            ".join(f"{k}  {_words(v)}" for k, v in value.items())
    return ", ".join(_words(v) for v in value) if isinstance(value, list) else str(value)


def describe(layout: Any, info: dict[str, Any]) -> dict[str, Any]:
    """The running cloud as data: processes, endpoints, databases, buses, versions."""
    code, ready = _get(info["url"], "/readyz")
    fronts = ("compute/v2.1", "identity/v3", "image", "placement")
    return {
        "state": "ready" if code == 200 else "not ready",
        "checks": (ready or {}).get("checks", {}),
        "state_dir": str(layout.state.path),
        "version": info["version"],
        "python": sys.version.split()[0],
        "uptime": round(concurrency.time() - info["started_at"], 1),
        "processes": {name: {"pid": pid, "memory_mib": _memory(pid)} for name, pid in info["processes"].items()},
        "endpoints": {path.partition("/")[0]: f"{info['url']}/{path}" for path in fronts},
        "databases": {name: masked(layout.database(name)) for name in ("api", "cell0", *layout.cells)},
        "buses": {name: masked(layout.bus(name)) for name in ("api", *layout.cells)},
        "hosts": layout.hosts,
        "virt": layout.options.virt,
    }


def _memory(pid: int) -> float | None:
    """Proportional set size in MiB; None for a process that is gone or not ours to see."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(round(int(line.split()[1]) / 1024, 1) for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return None


def down(state: StateDir) -> None:
    if not state.running():
        click.echo(f"nova-standalone is down already, state in {state.path}")
        return
    info = state.run_info() or _wait_ready(state, None)
    try:
        descriptor = os.pidfd_open(info["pid"])
    except ProcessLookupError:
        descriptor = -1
    if descriptor >= 0:
        os.kill(info["pid"], signal.SIGTERM)
        ended, _, _ = select.select([descriptor], [], [], _DOWN_WITHIN)
        if not ended:
            os.kill(info["pid"], signal.SIGKILL)
        os.close(descriptor)
    click.echo(f"nova-standalone {__version__} is down; its state stays in {state.path}")
