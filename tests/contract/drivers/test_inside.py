# SPDX-License-Identifier: Apache-2.0
"""What drivers do inside a guest: counters, interrupts, and agents that do not answer. One guest for all of it."""

from __future__ import annotations

import pytest

from nova import errors
from nova.virt import diagnostics
from nova.virt.interfaces import Diagnostics, GuestAgent, Nmi
from nova.virt.types import PowerState
from tests.contract.drivers.harness import Harness, eventually
from tests.contract.drivers.test_contract import boots

pytestmark = pytest.mark.root
STRANGER = "00000000-0000-4000-8000-000000000000"


def test_what_is_counted_and_what_interrupts(host: Harness) -> None:
    driver = host.open()
    for interface in (Diagnostics, GuestAgent, Nmi):
        driver.require(interface)
    guest = host.guest()
    driver.spawn(guest)
    eventually(lambda: boots(host, driver, guest) == 1)

    found = driver.diagnostics(guest.uuid)
    assert (found.state, found.driver, found.memory) == (PowerState.RUNNING, "libvirt", 32 * 1024)
    assert [cpu.id for cpu in found.cpus] == [0] and found.disks[0].read_bytes > 0
    assert [(nic.device, nic.mac) for nic in found.nics] == [(guest.nics[0].device, guest.nics[0].address)]
    flat = diagnostics.counters(found)
    assert {"cpu0_time", "memory", "vda_read", "vda_errors", f"{guest.nics[0].device}_tx_drop"} <= set(flat)
    assert all(isinstance(value, int) for value in flat.values())
    shared = diagnostics.common(found)
    assert (shared["state"], shared["num_cpus"], shared["num_disks"], shared["num_nics"]) == ("running", 1, 1, 1)
    later = eventually(lambda: _more(driver.diagnostics(guest.uuid), found))
    assert later.cpus[0].time > found.cpus[0].time

    driver.inject_nmi(guest.uuid)
    driver.pause(guest.uuid)
    driver.inject_nmi(guest.uuid)
    assert driver.diagnostics(guest.uuid).state is PowerState.PAUSED
    driver.power_off(guest.uuid)
    with pytest.raises(errors.HostFailure):
        driver.inject_nmi(guest.uuid)
    with pytest.raises(errors.Conflict, match="does not answer"):
        driver.set_password(guest.uuid, "root", "x")


def _more(now: diagnostics.GuestDiagnostics, before: diagnostics.GuestDiagnostics) -> object:
    return now if now.cpus[0].time > before.cpus[0].time else None


def test_a_guest_without_an_agent_says_so(libvirt_host: Harness) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest()
    driver.spawn(guest)
    with pytest.raises(errors.Conflict, match="The QEMU guest agent does not answer"):
        driver.set_password(guest.uuid, "root", "secret")


def test_it_knows_no_strangers(host: Harness) -> None:
    driver = host.open()
    for act in (driver.diagnostics, driver.inject_nmi, lambda u: driver.set_password(u, "root", "x")):
        with pytest.raises(errors.NotFound):
            act(STRANGER)
