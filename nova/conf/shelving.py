# SPDX-License-Identifier: Apache-2.0
"""What is kept of servers as images: how long shelved ones stay on their hosts, what snapshots inherit."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = None

OPTS: list[cfg.Opt] = [
    cfg.IntOpt("shelved_offload_time", default=0, min=-1,
               help="Seconds after which a shelved server leaves its host: its guest and disks are removed there and "
                    "its resources are free for others, while its addresses stay its own. 0: at once. "
                    "-1: only when an administrator asks for it. Conductors read it."),
    cfg.IntOpt("shelved_poll_interval", default=60, min=1,
               help="Seconds between two looks for servers whose shelved_offload_time is over."),
    cfg.ListOpt("non_inheritable_image_properties", default=["cache_in_nova", "bittorrent"],
                help="Properties of an image that images made of its servers do not get."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS)
