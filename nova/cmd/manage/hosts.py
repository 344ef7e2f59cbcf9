# SPDX-License-Identifier: Apache-2.0
"""nova-manage host: the keys with which hosts sign what they say on the bus, and emptying a host."""

from __future__ import annotations

from pathlib import Path

import click

from nova.cmd.commandline import Tool
from nova.cmd.manage.drains import drain, drain_cancel, drain_status
from nova.cmd.manage.fences import fence, fence_status, unfence
from nova.cmd.manage.tool import State
from nova.cmd.wiring.bus import keys_path
from nova.rpc.keyring import SERVICES, Keyring, host_key


@click.group(cls=Tool)
def host() -> None:
    """Hypervisor hosts."""


@host.command("enroll")
@click.argument("hostname", required=False)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path),
              help="Also write what the host needs into this directory; copy it to the host's [rpc] keys directory.")
@click.option("--renew", is_flag=True, help="Replace a key that is there.")
@click.pass_obj
def enroll(state: State, hostname: str | None, output: Path | None, renew: bool) -> None:
    """Make the key of HOSTNAME, and that of the control plane if there is none yet.

    Run it where the control plane's keys are kept. Every process of the control plane needs all keys, a host only its
    own. Without HOSTNAME only the control plane's key is made.
    """
    directory = keys_path(state.conf)
    ring = Keyring.load(directory) if directory.is_dir() and any(directory.glob("*.key")) else Keyring()
    wanted = [SERVICES, *([host_key(hostname)] if hostname else [])]
    made = [key for key in wanted if key not in ring or (renew and key == wanted[-1])]
    for key in made:
        ring.generate(key)
    if made:
        ring.save(directory)
    if output is not None and hostname:
        ring.only(host_key(hostname)).save(output)
    state.show(["Key", "File", "State"],
               [[key, directory / f"{key}.key", "made" if key in made else "kept"] for key in wanted])


host.add_command(drain)
host.add_command(drain_status)
host.add_command(drain_cancel)
host.add_command(fence)
host.add_command(unfence)
host.add_command(fence_status)
