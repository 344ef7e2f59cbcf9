# SPDX-License-Identifier: Apache-2.0
"""Devices of the host that are passed through to a guest."""

from __future__ import annotations

import re
from typing import Any

from lxml.builder import E


def hostdev(where: str) -> Any:
    """The device at a PCI address; libvirt takes it from its driver and gives it back."""
    return E.hostdev(E.source(address(where)), mode="subsystem", type="pci", managed="yes")


def address(where: str, **attributes: str) -> Any:
    domain, bus, slot, function = re.split(r"[:.]", where)
    return E.address(domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}", **attributes)
