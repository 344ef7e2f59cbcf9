# SPDX-License-Identifier: Apache-2.0
"""What lies on the disks that a host makes for a guest, and how much of them at once."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = None

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("default_ephemeral_format", choices=["ext2", "ext3", "ext4", "xfs", "vfat", "ntfs"],
               help="The file system of ephemeral disks for which none is named; they are labelled ephemeral0 and so "
                    "on. Unset: ntfs for images with os_type = windows, else ext4. The host needs its mkfs."),
    cfg.StrOpt("preallocate_images", default="none", choices=[
                   ("none", "disks grow as they are written"),
                   ("space", "their space is taken when they are made, so that a full host says so at once")],
               help="When disks take their space."),
    cfg.IntOpt("max_local_block_devices", default=3, min=-1, max=20,
               help="How many local disks a create may name in its block device mapping: root disk, ephemeral disks "
                    "and swap space together. -1: as many as a guest can have. 0: no server has a local disk. Read by "
                    "nova-api."),
    cfg.BoolOpt("force_config_drive", default=False,
                help="Give every new server a config drive, whether asked for or not. Read by nova-api."),
    cfg.StrOpt("config_drive_format", default="iso9660", choices=[
                   ("iso9660", "a CD-ROM"), ("vfat", "a disk of 64 MiB, for guests without CD-ROM")],
               help="The file system of config drives."),
    cfg.StrOpt("mkisofs_cmd",
               help="The program that makes CD-ROMs, called as mkisofs is. Unset: the first there is of genisoimage, "
                    "mkisofs and xorrisofs."),
    cfg.MultiStrOpt("reserved_huge_pages", default=[],
                    help="Memory pages that guests may not have, such as node:0,size:2048,count:64, the size in KiB. "
                         "May be given several times."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS)
