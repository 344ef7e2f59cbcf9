# SPDX-License-Identifier: Apache-2.0
"""The extra specs that are known, as data: names and what their values must look like. Unknown namespaces pass."""

from __future__ import annotations

import re

from nova import errors

_BOOL = "true|false|1|0|yes|no|on|off|y|n|t|f"
_INT = r"-?\d{1,18}"
_COUNT = r"\d{1,18}"
_ANY = r"(?s:.*)"
_CPUS = r"[\d,\-^ ]+"
_MEMORY_UNIT = r"\d+ *(?:[KMGT]i?)?[bB]?(?:it)?"
_SHARES = "low|normal|high|custom"

#: Namespace → key pattern → value pattern. Both must match as a whole; value words match in any case.
_KNOWN: dict[str, dict[str, str]] = {
    "": {"group_policy": "none|isolate", "hide_hypervisor_id": _BOOL},
    "accel": {"device_profile": _ANY},
    "aggregate_instance_extra_specs": {".*": _ANY},
    "capabilities": {".*": _ANY},
    "hw": {
        "boot_menu|hide_hypervisor_id|locked_memory|mem_encryption|pmu|vif_multiqueue_enabled": _BOOL,
        "ephemeral_encryption|cpu_realtime|virtio_packed_ring": _BOOL,
        "cpu_cores|cpu_sockets|cpu_threads|cpu_max_cores|cpu_max_sockets|cpu_max_threads": _COUNT,
        "cpu_policy": "dedicated|shared|mixed", "cpu_thread_policy": "prefer|isolate|require",
        "cpu_dedicated_mask|cpu_realtime_mask": _CPUS, "emulator_threads_policy": "isolate|share",
        "ephemeral_encryption_format": "plain|luks|luksv2", "mem_encryption_model": "amd-sev|amd-sev-es|amd-sev-snp",
        "mem_page_size": rf"large|small|any|{_MEMORY_UNIT}", "numa_nodes": r"[1-9]\d{0,9}",
        r"numa_cpus\.\d+": _CPUS, r"numa_mem\.\d+": _COUNT,
        "pci_numa_affinity_policy": "required|preferred|legacy|socket", "pmem": _ANY,
        "redirected_usb_ports|serial_port_count": _COUNT,
        "sound_model": "sb16|es1370|pcspk|ac97|ich6|ich9|usb|virtio",
        "tpm_model": "tpm-tis|tpm-crb", "tpm_version": r"1\.2|2\.0", "tpm_secret_security": "user|host|deployment",
        "usb_model": "qemu-xhci|nec-xhci|piix3-uhci|piix4-uhci|ehci|ich9-ehci1|vt82c686b-uhci|none|.*xhci.*|.*uhci.*",
        "viommu_model": "intel|smmuv3|virtio|auto", "watchdog_action": "none|pause|poweroff|reset|disabled",
        "maxphysaddr_mode": "passthrough|emulate", "maxphysaddr_bits": _COUNT,
    },
    "hw_rng": {"allowed": _BOOL, "rate_bytes|rate_period": _COUNT},
    "hw_video": {"ram_max_mb": _COUNT},
    "os": {"secure_boot": "required|optional|disabled"},
    "pci_passthrough": {"alias": _ANY},
    "quota": {
        "cpu_shares|cpu_period|cpu_quota|cpu_limit|cpu_reservation|cpu_shares_share": _INT,
        "memory_limit|memory_reservation|memory_shares_share": _INT,
        "disk_io_limit|disk_io_reservation|disk_io_shares_share": _INT,
        "disk_(?:read|write|total)_(?:bytes|iops)_sec": _INT, "vif_(?:inbound|outbound)_(?:average|peak|burst)": _INT,
        "vif_limit|vif_reservation|vif_shares_share": _INT,
        "(?:cpu|memory|disk_io|vif)_shares_level": _SHARES,
    },
    "resources": {r"(?:[A-Z0-9_]+)": _COUNT},
    "trait": {r"(?:[A-Z0-9_]+)": "required|forbidden"},
    "vmware": {"hw_version|storage_policy": _ANY},
}
_GROUPED = re.compile(r"^(resources|trait)[A-Za-z0-9_-]{0,64}$")
_TABLES = {space: [(re.compile(key), re.compile(value, re.IGNORECASE)) for key, value in keys.items()]
           for space, keys in _KNOWN.items()}


def check(name: str, value: str) -> None:
    """Raise :class:`errors.Invalid` for a key that a known namespace does not have, or a value that it cannot have."""
    space, colon, key = name.partition(":")
    if not colon:
        space, key = "", name
    grouped = _GROUPED.match(space)
    table = _TABLES.get(grouped[1] if grouped else space)
    if table is None:
        return
    for keys, values in table:
        if keys.fullmatch(key):
            if not values.fullmatch(value):
                raise errors.Invalid(f"Validation failed; '{value}' is not a valid value for extra spec '{name}'.")
            return
    if space:  # keys without a namespace belong to operators
        raise errors.Invalid(f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec.")
