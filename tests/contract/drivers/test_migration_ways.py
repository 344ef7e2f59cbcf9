# SPDX-License-Identifier: Apache-2.0
"""Real guests that move over TLS, several connections or a tunnel, and with many disks on several buses."""

from __future__ import annotations

import pathlib
import subprocess
from typing import Any

import pytest

from nova import errors
from nova.virt.migration import Unwatched
from nova.virt.types import GuestSpec, PowerState
from tests.contract.drivers.pairs import WISHES, Pair
from tests.contract.drivers.test_local_disks import DISKS, MADE

pytestmark = pytest.mark.parametrize("pair", ["libvirt"], indirect=True)
TLS, MANY = {"live_migration_with_native_tls": True}, {"live_migration_parallel_connections": 3}


def choose(pair: Pair, **options: Any) -> None:
    for host in (pair.source, pair.destination):
        for name, value in options.items():
            host.hypervisor.conf.set_override(name, value, "libvirt")


def move(pair: Pair, guest: GuestSpec) -> Any:
    there = pair.prepared(guest)
    pair.source.migrate(guest.uuid, there, WISHES, Unwatched())
    assert pair.destination.welcome(guest)
    pair.source.see_off(guest.uuid, guest.name, there)
    assert pair.where(guest) == (False, True)
    assert pair.destination.info(guest.uuid).power_state is PowerState.RUNNING
    return there


@pytest.mark.parametrize("options", [TLS, MANY, TLS | MANY, MANY | {"live_migration_permit_post_copy": True},
                                     {"live_migration_permit_auto_converge": True}],
                         ids=["tls", "parallel", "both", "post-copy", "auto-converge"])
def test_memory_and_disks_go_over_the_chosen_way(pair: Pair, options: dict[str, Any]) -> None:
    choose(pair, **options)
    guest = pair.guest()
    pair.source.spawn(guest)
    assert move(pair, guest)["copied"] == ["vda"]


def test_over_tls_a_host_must_show_who_it_is(pair: Pair, two_daemons: Any) -> None:
    choose(pair, **TLS)
    guest = pair.guest()
    pair.source.spawn(guest)
    shown = two_daemons[1].directory / "etc" / "pki" / "server-cert.pem"
    mine, others = shown.read_bytes(), two_daemons[0].directory / "etc" / "pki" / "server-cert.pem"
    key = shown.with_name("server-key.pem")
    own_key = key.read_bytes()
    shown.write_bytes(others.read_bytes())
    key.write_bytes(others.with_name("server-key.pem").read_bytes())
    try:
        with pytest.raises(errors.HostFailure):
            pair.source.migrate(guest.uuid, pair.prepared(guest), WISHES, Unwatched())
    finally:
        shown.write_bytes(mine)
        key.write_bytes(own_key)
    pair.source.call_off(guest.uuid)
    pair.destination.clear_arrival(guest.uuid, guest.name)
    assert pair.where(guest) == (True, False)
    assert pair.source.info(guest.uuid).power_state is PowerState.RUNNING


def test_disks_cannot_go_through_a_tunnel(pair: Pair) -> None:
    choose(pair, live_migration_tunnelled=True, live_migration_permit_post_copy=True)
    guest = pair.guest()
    pair.source.spawn(guest)
    with pytest.raises(errors.HostFailure, match="cannot be copied by a tunnelled"):
        pair.source.migrate(guest.uuid, pair.prepared(guest), WISHES, Unwatched())
    pair.source.call_off(guest.uuid)
    pair.destination.clear_arrival(guest.uuid, guest.name)
    assert pair.where(guest) == (True, False)


def test_all_its_disks_go_along_whatever_their_bus(pair: Pair) -> None:
    guest = pair.guest(image_properties={"hw_machine_type": "q35"}, **DISKS)
    pair.source.spawn(guest)
    pair.source.power_off(guest.uuid)
    for number, name in enumerate(MADE):
        if name.startswith("disk") and not name.endswith("info"):
            io(pair.source, guest, name, f"write -P {number + 1} 2M 64k")
    pair.source.power_on(guest.uuid)
    assert move(pair, guest)["copied"] == ["vda", "vdb", "sda", "sdb"]
    pair.destination.power_off(guest.uuid)
    for number, name in enumerate(MADE):
        if name.startswith("disk") and not name.endswith("info"):
            assert "failed" not in io(pair.destination, guest, name, f"read -P {number + 1} 2M 64k")


def io(host: Any, guest: GuestSpec, name: str, command: str) -> str:
    path: pathlib.Path = host.hypervisor.directory(guest.uuid) / name
    return subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, path], check=True, timeout=120,
                          capture_output=True, text=True).stdout
