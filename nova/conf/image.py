# SPDX-License-Identifier: Apache-2.0
"""Options of our own image store and of its Image API v2 front; nothing about an external Glance."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "image"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("filesystem_store_datadir", default="$state_path/images",
               help="Directory that holds the bytes of images. Image API nodes that serve the same cloud share it. "
                    "It is created when it does not exist."),
    cfg.IntOpt("image_size_cap", default=1 << 40, min=1,
               help="Largest image in bytes that may be uploaded, and the limit of a request body of this front. "
                    "A larger one is refused with 413."),
    cfg.IntOpt("free_space_reserve", default=256 << 20, min=0,
               help="Bytes that an upload must leave free on the file system of the store. An upload that would "
                    "use them is refused with 413."),
    cfg.ListOpt("disk_formats", default=["raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "ari", "aki"],
                help="Values of disk_format that images may have."),
    cfg.ListOpt("container_formats", default=["bare", "ami", "ari", "aki", "ovf"],
                help="Values of container_format that images may have."),
    cfg.StrOpt("snapshot_image_format", default="qcow2", choices=["qcow2", "raw", "vmdk", "vdi"],
               help="Format of the images that are made of servers. Hosts convert where their disks have another; "
                    "qcow2 is the smallest and the one that hosts start fastest from."),
    cfg.IntOpt("image_property_quota", default=128, min=-1,
               help="Properties that one image may have; -1 means no limit."),
    cfg.IntOpt("image_tag_quota", default=128, min=-1, help="Tags that one image may have; -1 means no limit."),
    cfg.IntOpt("image_member_quota", default=128, min=-1,
               help="Projects that one image may be shared with; -1 means no limit."),
    cfg.IntOpt("limit_param_default", default=25, min=1,
               help="Images in one answer when a list is asked for without a limit."),
    cfg.IntOpt("api_limit_max", default=1000, min=1, help="Most images in one answer, whatever limit is asked for."),
    cfg.StrOpt("signing_keys_dir", default="$state_path/keys/image",
               help="Directory of the keys that sign short-lived image URLs, one file <name>.key each with at least 32 "
                    "random bytes in hexadecimal. The file that sorts last signs, all of them verify, so a key is "
                    "changed by adding a file and later removing the old one. A first key is made when the directory "
                    "is empty. Image API nodes and conductors share the keys."),
    cfg.IntOpt("signed_url_ttl", default=3600, min=30,
               help="Seconds for which a signed image URL that a build carries is good. It must cover the time a build "
                    "waits for its turn on a host; a download that has begun is not cut."),
    cfg.StrOpt("public_endpoint",
               help="URL under which hosts and users reach this front, for example http://images.example.org:9292 or "
                    "http://127.0.0.1:8774/image. Signed URLs and the version document begin with it. Without it the "
                    "version document repeats the address the request came to, and no signed URL can be made."),
    cfg.IntOpt("upload_timeout", default=60, min=10,
               help="Seconds without a sign of life after which an upload counts as abandoned and its image is queued "
                    "again. A running upload gives one every sixth of this time."),
    cfg.IntOpt("sweep_interval", default=60, min=1,
               help="Seconds between two looks for abandoned uploads and for files that belong to no image."),
    cfg.IntOpt("deleted_retention", default=30 * 86400, min=0,
               help="Seconds for which the record of a deleted image is kept, so that its id cannot be used again."),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Register the section on ``conf``."""
    conf.register_opts(OPTS, group=GROUP)
