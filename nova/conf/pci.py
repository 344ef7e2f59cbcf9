# SPDX-License-Identifier: Apache-2.0
"""Devices of a compute host that are passed through to guests, and the names that flavors ask for them by."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "pci"

OPTS: list[cfg.Opt] = [
    cfg.MultiStrOpt("device_spec", default=[],
                    help="JSON of devices that guests may have, such as {\"vendor_id\": \"8086\", \"product_id\": "
                         "\"10ed\", \"physical_network\": \"net1\"}: vendor_id and product_id in hexadecimal, address "
                         "(with * or as an object of expressions for domain, bus, slot, function) or devname; a "
                         "physical function stands for its virtual ones. Other keys are tags. May be given several "
                         "times."),
    cfg.MultiStrOpt("alias", default=[],
                    help="JSON of a name for devices, such as {\"name\": \"gpu\", \"vendor_id\": \"10de\", "
                         "\"product_id\": \"1db4\", \"device_type\": \"type-PCI\", \"numa_policy\": \"preferred\"}, "
                         "that flavors ask for with pci_passthrough:alias = gpu:1. May be given several times."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
