# SPDX-License-Identifier: Apache-2.0
"""Makes the cloud in a state directory: databases, cells, keys, and at the first start what a fresh cloud has."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from nova import concurrency
from nova.cmd import provision
from nova.cmd.standalone import credentials
from nova.cmd.standalone.layout import Layout, create_databases
from nova.cmd.wiring.control import open_database
from nova.db import migrate
from nova.db.engine import Database
from nova.identity.bootstrap import begin_hashing, bootstrap
from nova.images.manager import Images
from nova.rpc.keyring import SERVICES, Keyring, host_key

IMAGE = "guest"


def prepare(layout: Layout, conf: Any) -> None:
    """Everything that must be there before the first service starts."""
    done = layout.state.path / "prepared"
    hashed = None if done.exists() else begin_hashing(_users(layout), conf.identity.password_hash_cost)
    make_keys(layout)
    create_databases(layout)
    for name in ("cell0", *layout.cells):
        _migrated(layout.database(name), name, "cell").dispose()
    _migrated(layout.database("api"), "api", "api").dispose()
    api = open_database(conf.api_database, "api")
    try:
        provision.map_cell0(api, layout.database("cell0"))
        for name in layout.cells:
            provision.create_cell(api, provision.CellSpec(name, layout.database(name), layout.bus(name)))
        if hashed is not None:
            fill(layout, conf, api, hashed)
            done.touch()
    finally:
        api.dispose()


def _migrated(url: str, name: str, which: migrate.Which) -> Database:
    database = Database(url, name=name, pool_size=2)
    if not migrate.is_synced(database, which):
        migrate.upgrade(database, which)
    return database


def make_keys(layout: Layout) -> None:
    """The key of the services, and one for each host; with --daemons a host gets only its own."""
    directory = layout.state.keys
    ring = Keyring.load(directory) if directory.is_dir() and any(directory.glob("*.key")) else Keyring()
    wanted = [SERVICES, *(host_key(host) for host in layout.hosts)]
    if missing := [key for key in wanted if key not in ring]:
        for key in missing:
            ring.generate(key)
        ring.save(directory)
    if layout.options.daemons:
        for host in layout.hosts:
            ring.only(host_key(host)).save(layout.state.path / "hosts" / host / "keys")


def _users(layout: Layout) -> dict[str, str]:
    """The passwords of the first users."""
    known = credentials.passwords(layout.state)
    return {name: known[name] for name in ("admin", "demo", "nova")}


def fill(layout: Layout, conf: Any, api: Database, hashed: Callable[[str, str], str]) -> None:
    """Users, flavors, the network ``private``, the pool ``public`` and an image."""
    users = _users(layout)
    made = bootstrap(api, users["admin"], users["demo"], service_password=users["nova"],
                     hash_cost=conf.identity.password_hash_cost, hashed=hashed)
    provision.add_flavors(api)
    real = layout.options.virt != "fake"
    provision.add_network(api, free_network() if real else "10.100.0.0/20",
                          **({"bridge": f"br{layout.tag}"} if real else {}))
    provision.add_floating_pool(api)
    images = Images.from_conf(conf, api)
    file, disk_format = _image(layout)
    provision.add_image(images, made.projects["admin"], IMAGE, file, disk_format)


def _image(layout: Layout) -> tuple[Path, str]:
    """The file that --image names, else an empty disk: enough for the fake driver, and to try the Image API."""
    if layout.options.image:
        file = Path(layout.options.image)
        with file.open("rb") as stream:
            return file, "qcow2" if stream.read(4) == b"QFI\xfb" else "raw"
    file = layout.state.path / "empty.raw"
    if not file.exists():
        with file.open("wb") as stream:
            stream.truncate(1 << 20)
    return file, "raw"


def free_network() -> str:
    """A private /20 that overlaps none of this machine's networks, not always the same one."""
    taken = [ipaddress.ip_network(f"{address.address}/{address.netmask}", strict=False)
             for addresses in psutil.net_if_addrs().values() for address in addresses
             if address.family.name == "AF_INET" and address.netmask]
    numbers = list(range(100, 250))
    concurrency.random().shuffle(numbers)
    for number in numbers:
        network = ipaddress.ip_network(f"10.{number}.0.0/20")
        if not any(network.overlaps(other) for other in taken):
            return str(network)
    return "172.29.0.0/20"
