# SPDX-License-Identifier: Apache-2.0
"""nova-manage identity, network: what a new cloud needs before anybody can log in and boot a server."""

from __future__ import annotations

import secrets

import click

from nova.cmd import provision
from nova.cmd.commandline import Tool
from nova.cmd.manage.tool import State
from nova.identity.bootstrap import bootstrap
from nova.networks.manager import Networks


@click.group(cls=Tool)
def identity() -> None:
    """Users, projects and roles of our own auth manager."""


@identity.command("bootstrap")
@click.option("--password", envvar="NOVA_BOOTSTRAP_PASSWORD", prompt=True, hide_input=True, confirmation_prompt=True,
              help="Password of the user admin; better given by the environment variable NOVA_BOOTSTRAP_PASSWORD.")
@click.option("--reset", is_flag=True, help="Set the passwords also of users that are there already.")
@click.pass_obj
def identity_bootstrap(state: State, password: str, reset: bool) -> None:
    """Make the default domain, the roles, the projects admin, demo and service, and the user admin.

    May be run again: what is there stays. The user demo gets a random password, which an administrator may change.
    """
    with state.database("api", synced=True) as api:
        made = bootstrap(api, password, secrets.token_urlsafe(24), reset_passwords=reset,
                         hash_cost=state.conf.identity.password_hash_cost)
        state.show(["Kind", "Name", "ID"], [[kind, name, uuid] for kind, found in (
            ("project", made.projects), ("user", made.users), ("role", made.roles)) for name, uuid in found.items()])


@click.group(cls=Tool)
def flavor() -> None:
    """Sizes of servers."""


@flavor.command("defaults")
@click.pass_obj
def flavor_defaults(state: State) -> None:
    """Make the flavors m1.nano to m1.large, where there is none of that name or id."""
    with state.database("api", synced=True) as api:
        provision.add_flavors(api)
        state.show(["ID", "Name", "VCPUs", "RAM", "Disk"],
                   [[f["flavorid"], f["name"], f["vcpus"], f["memory_mb"], f["root_gb"]] for f in provision.FLAVORS])


@click.group(cls=Tool)
def network() -> None:
    """Networks that servers get their addresses from."""


@network.command("create")
@click.argument("label")
@click.argument("cidr")
@click.option("--bridge", help="Bridge on the hosts.  [default: br100 or the next that is free]")
@click.option("--gateway", help="Address of the hosts in it.  [default: the first]")
@click.option("--range-start", help="First address for servers.")
@click.option("--range-end", help="Last address for servers.")
@click.option("--dns", multiple=True, help="Name server for guests; may be repeated.  [default: the host]")
@click.option("--mtu", type=click.IntRange(576, 65535), default=1500, show_default=True,
              help="Largest packet, in bytes.")
@click.option("--project", "project_id", help="Id of the only project that may use it.  [default: shared]")
@click.pass_obj
def network_create(state: State, /, label: str, cidr: str, **options: object) -> None:
    """Make the network LABEL with the addresses CIDR, like: private 10.100.0.0/20."""
    with state.database("api", synced=True) as api:
        made = Networks(api).create_network(label, cidr, lease_time=state.conf.network.dhcp_lease_time, **options)
        state.show(["ID", "Label", "CIDR", "Gateway", "Bridge"],
                   [[made["id"], made["label"], made["cidr"], made["gateway"], made["bridge"]]])


@network.command("list")
@click.pass_obj
def network_list(state: State) -> None:
    """All networks."""
    with state.database("api", synced=True) as api:
        state.show(["ID", "Label", "CIDR", "Gateway", "Bridge", "Project"],
                   [[n["id"], n["label"], n["cidr"], n["gateway"], n["bridge"], n["project_id"]]
                    for n in Networks(api).list()])
