# SPDX-License-Identifier: Apache-2.0
"""The command line of nova-standalone: up, status, down."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NoReturn

import click

from nova import __version__
from nova.cmd.commandline import CONTEXT, Tool, completion
from nova.cmd.standalone.state import Options, StateDir, default_dir

_STATE_DIR = click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), default=default_dir,
                          help="Where the cloud keeps everything. Default: /var/lib/nova-standalone for root, "
                               "~/.local/state/nova-standalone for others.")


@click.group("nova-standalone", cls=Tool, context_settings=CONTEXT)
@click.version_option(__version__)
def nova_standalone() -> None:
    """A whole cloud with one command: identity, images, networks and servers, on one port of this machine."""


nova_standalone.add_command(completion)


@nova_standalone.command()
@_STATE_DIR
@click.option("--listen", metavar="HOST:PORT", help="Where the fronts answer.  [default: 127.0.0.1:8774]")
@click.option("--virt", type=click.Choice(["libvirt", "fake"]),
              help="Real guests through libvirt (as root), or pretended ones.  [default: libvirt]")
@click.option("--hosts", type=click.IntRange(1, 1000),
              help="How many compute services, with --virt fake.  [default: 1]")
@click.option("--cells", type=click.IntRange(1, 100), help="How many cells the hosts are spread over.  [default: 1]")
@click.option("--database", metavar="URL",
              help="A PostgreSQL or MariaDB server in place of SQLite; it gets databases NAME_api, NAME_cell0 …")
@click.option("--bus", metavar="URL", help="A RabbitMQ broker in place of the bus inside the process.")
@click.option("--daemons/--no-daemons", default=None,
              help="Every service as a process of its own, as under systemd; needs --bus.")
@click.option("--image", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Disk image that a fresh cloud offers as 'guest'. Default: an empty disk.")
@click.option("--network-api/--no-network-api", default=None,
              help="Name the Networking API in the catalogue, so that clients use it.  [default: no]")
@click.option("--log-level", type=click.Choice(["info", "debug"]), help="How much is logged.  [default: info]")
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to the terminal.")
def up(state_dir: Path, foreground: bool, **asked: Any) -> None:
    """Start the cloud; what was not said is as it was at the last start.

    Returns when the API answers. Running it again while the cloud runs changes nothing.
    """
    from nova.cmd.standalone import control

    state = StateDir(state_dir)
    state.create()
    before = state.options() or Options()
    options = dataclasses.replace(before, **{name: value for name, value in asked.items() if value is not None})
    options.check()
    control.up(state, options, foreground=foreground)


@nova_standalone.command()
@_STATE_DIR
@click.option("-f", "--format", "output", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="How the state is printed.")
def status(state_dir: Path, output: str) -> None:
    """What runs, where it answers, on which databases and buses. Exit code 3 when the cloud is down."""
    from nova.cmd.standalone import control

    raise SystemExit(control.status(StateDir(state_dir), output))


@nova_standalone.command()
@_STATE_DIR
def down(state_dir: Path) -> None:
    """Stop the cloud. Its state stays, and so do running guests."""
    from nova.cmd.standalone import control

    control.down(StateDir(state_dir))


@nova_standalone.command(hidden=True)
@_STATE_DIR
def run(state_dir: Path) -> None:
    """What ``up`` starts in the background, with the lock inherited."""
    from nova.cmd.standalone.run import run as run_cloud

    run_cloud(StateDir(state_dir))


def main() -> NoReturn:
    nova_standalone.main(prog_name="nova-standalone")
    raise SystemExit(0)
