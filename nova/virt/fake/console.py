# SPDX-License-Identifier: Apache-2.0
"""The serial console of a fake guest: what a small Linux would have written while it booted."""

from __future__ import annotations

from nova.virt.fake.guests import FakeGuest


def render(guest: FakeGuest) -> str:
    """The whole log: one boot after the other. The last prompt waits, so nothing stands behind it."""
    return "\r\n".join(_boot(guest, number) for number, _ in enumerate(guest.boots, start=1))


def _boot(guest: FakeGuest, number: int) -> str:
    hostname = "".join(c if c.isalnum() or c in "-." else "-" for c in guest.display_name).strip("-") or guest.name
    lines = [
        "SeaBIOS (fake)",
        "Booting from Hard Disk...",
        f"[    0.000000] Linux version 6.1.0-fake ({guest.name}) boot {number}",
        f"[    0.010000] smpboot: Allowing {guest.vcpus} CPUs",
        f"[    0.020000] Memory: {guest.memory_mb * 1024}K available",
        f"[    0.310000] virtio_blk virtio0: [vda] {guest.disk_gb} GiB",
    ]
    for nic in guest.nics:
        lines.append(f"eth{nic['index']}: {nic['address']} {' '.join(nic['ips']) or 'no address'}")
    lines += [f"cloud-init: instance-id {guest.uuid}", "", f"{hostname} login: "]
    return "\r\n".join(lines)
