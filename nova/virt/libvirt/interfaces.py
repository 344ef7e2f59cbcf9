# SPDX-License-Identifier: Apache-2.0
"""Network cards plugged into guests of libvirt and pulled out: in the running guest, and in what it is started from."""

from __future__ import annotations

import logging
from typing import Any

from lxml import etree

from nova import concurrency, errors
from nova.virt.interfaces import Interfaces
from nova.virt.libvirt.hypervisor import Hypervisor
from nova.virt.libvirt.xml import nics
from nova.virt.types import Nic

LOG = logging.getLogger(__name__)
_LOOK = 0.2


class LibvirtInterfaces(Interfaces):
    hypervisor: Hypervisor

    def attach_interface(self, uuid: str, nic: Nic) -> None:
        self.hypervisor.connection.domain(uuid, self._attach, nic)

    def detach_interface(self, uuid: str, nic: Nic) -> None:
        """A running guest is asked to let go, again and again; only when it has, the card leaves its definition."""
        conf = self.hypervisor.conf.libvirt
        for attempt in range(1, conf.device_detach_attempts + 1):
            if not self.hypervisor.connection.domain(uuid, self._ask, nic):
                break
            end = concurrency.monotonic() + conf.device_detach_timeout
            while concurrency.monotonic() < end:
                if not self.hypervisor.connection.domain(uuid, self._live, nic):
                    break
                concurrency.sleep(_LOOK)
            else:
                LOG.info("guest %s has not let go of %s after request %d", uuid, nic.device, attempt)
                continue
            break
        else:
            raise errors.HostFailure(f"The guest does not let go of its network card {nic.address}.", retry=False)
        self.hypervisor.connection.domain(uuid, self._undefine_card, nic)

    # in a blocking call, apart from other tasks

    def _attach(self, dom: Any, nic: Nic) -> None:
        libvirt = self.hypervisor.libvirt
        text = etree.tostring(nics.interface(nic), encoding="unicode")
        if dom.isActive() and _card(dom.XMLDesc(0), nic) is None:
            dom.attachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        if _card(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), nic) is None:
            dom.attachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def _live(self, dom: Any, nic: Nic) -> bool:
        return bool(dom.isActive()) and _card(dom.XMLDesc(0), nic) is not None

    def _ask(self, dom: Any, nic: Nic) -> bool:
        """Whether there is anything in the running guest to wait for."""
        libvirt = self.hypervisor.libvirt
        text = _card(dom.XMLDesc(0), nic) if dom.isActive() else None
        if text is None:
            return False
        try:
            dom.detachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_DEVICE_MISSING:
                return False
            if e.get_error_code() != libvirt.VIR_ERR_OPERATION_FAILED:  # it was asked before and has not answered yet
                raise
        return True

    def _undefine_card(self, dom: Any, nic: Nic) -> None:
        libvirt = self.hypervisor.libvirt
        text = _card(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), nic)
        if text is not None:
            dom.detachDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def _card(document: str, nic: Nic) -> str | None:
    """The element of this network card in a domain's document."""
    for node in etree.fromstring(document).findall("devices/interface"):
        mac = node.find("mac")
        if mac is not None and mac.get("address") == nic.address:
            text: str = etree.tostring(node, encoding="unicode")
            return text
    return None
