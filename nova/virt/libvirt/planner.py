# SPDX-License-Identifier: Apache-2.0
"""Gives guests their part of this host's nodes and devices. Who has what lies in a file beside each guest's disks.

The file goes with the directory when the guest goes, so that nothing is ever held by nobody.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence

import orjson

from nova import errors
from nova.host import files
from nova.virt.hardware import plan as planning
from nova.virt.hardware.host import Held, HostNodes
from nova.virt.hardware.pci import Alias, Device
from nova.virt.hardware.placing import DoesNotFit
from nova.virt.hardware.plan import Plan
from nova.virt.libvirt.xml.draft import wishes_of
from nova.virt.types import GuestSpec

#: Named after the host, for directories may lie on storage that several hosts share.
FILE = "plan-{}.json"
LOCK = ".plans.lock"


class Planner:
    """``name`` is this host's."""

    def __init__(self, instances: pathlib.Path, name: str, nodes: HostNodes,
                 devices: Callable[[], Sequence[Device]] = tuple, aliases: Mapping[str, Alias] | None = None) -> None:
        self._instances, self._name = instances, name
        self.nodes, self.devices, self._aliases = nodes, devices, aliases or {}

    def claim(self, guest: GuestSpec) -> Plan:
        """What the guest has, or gets now; the directory of the guest must be there.

        :class:`errors.HostFailure` with ``retry`` True when other guests are in the way or this host cannot.
        """
        before = self.of(guest.uuid)
        if before is not None:
            return before
        with files.locked(self._instances / LOCK):
            made = self._make(guest)
            if not made.empty:
                files.write_atomic(self._path(guest.uuid), orjson.dumps(made.as_json()))
        return made

    def of(self, uuid: str) -> Plan | None:
        return _read(self._path(uuid))

    def release(self, uuid: str) -> None:
        """For a guest that changes its size; one that ends loses its directory."""
        self._path(uuid).unlink(missing_ok=True)

    def held(self, without: str = "") -> Held:
        """By the guests of this host, but for one."""
        plans = [_read(path) for path in self._instances.glob("*/" + FILE.format(self._name))
                 if path.parent.name != without]
        return planning.held_by(plan for plan in plans if plan is not None)

    def _make(self, guest: GuestSpec) -> Plan:
        asked = wishes_of(guest)
        direct = [(nic.id, nic.physical_network or "") for nic in guest.nics if nic.vnic_type == "direct"]
        devices = self.devices() if direct or asked.text("pci_alias") else ()
        try:
            return planning.make(asked, guest.vcpus, guest.memory_mb, self.nodes, self.held(guest.uuid),
                                 name=self._name, devices=devices, known=self._aliases, ports=direct)
        except DoesNotFit as e:
            raise errors.HostFailure(f"The guest does not fit on host {self._name}: {e}.", retry=True) from e

    def _path(self, uuid: str) -> pathlib.Path:
        return self._instances / uuid / FILE.format(self._name)


def _read(path: pathlib.Path) -> Plan | None:
    try:
        return Plan.from_json(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
