# SPDX-License-Identifier: Apache-2.0
"""Guests of libvirt that stand still and go on: their processors frozen, or their memory in a managed save image."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.virt.interfaces import Pause, Suspend
from nova.virt.libvirt.hypervisor import Hypervisor


class LibvirtPause(Pause, Suspend):
    hypervisor: Hypervisor

    def pause(self, uuid: str) -> None:
        self.hypervisor.connection.domain(uuid, self._pause)

    def unpause(self, uuid: str) -> None:
        self.hypervisor.connection.domain(uuid, self._unpause)

    def suspend(self, uuid: str) -> None:
        self.hypervisor.connection.domain(uuid, self._suspend)

    def resume(self, uuid: str) -> None:
        self.hypervisor.connection.domain(uuid, self._resume)

    # in a blocking call, apart from other tasks

    def _pause(self, dom: Any) -> None:
        _require_active(dom)
        if dom.state()[0] != self.hypervisor.libvirt.VIR_DOMAIN_PAUSED:
            dom.suspend()

    def _unpause(self, dom: Any) -> None:
        _require_active(dom)
        if dom.state()[0] == self.hypervisor.libvirt.VIR_DOMAIN_PAUSED:
            dom.resume()

    def _suspend(self, dom: Any) -> None:
        """libvirt writes the image under another name first, so one that is there is whole. The guest shall run when it
        is restored, also if a first attempt died when it had frozen it already."""
        if not dom.isActive() and dom.hasManagedSaveImage():
            return
        _require_active(dom)
        dom.managedSave(self.hypervisor.libvirt.VIR_DOMAIN_SAVE_RUNNING)

    def _resume(self, dom: Any) -> None:
        """From the saved image, or from where an earlier attempt got to. A start without an image would be a boot."""
        libvirt = self.hypervisor.libvirt
        if not dom.isActive():
            if not dom.hasManagedSaveImage():
                raise errors.HostFailure("The saved memory of the guest is gone; it can only be started anew.",
                                         retry=False)
            dom.create()
        state = dom.state()[0]
        if state == libvirt.VIR_DOMAIN_PAUSED:
            dom.resume()
        elif state == libvirt.VIR_DOMAIN_PMSUSPENDED:
            dom.pMWakeup()


def _require_active(dom: Any) -> None:
    if not dom.isActive():
        raise errors.HostFailure(f"Guest {dom.UUIDString()} does not run.", retry=False)
