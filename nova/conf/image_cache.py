# SPDX-License-Identifier: Apache-2.0
"""How long a compute host keeps base images that no guest uses."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "image_cache"

OPTS: list[cfg.Opt] = [
    cfg.IntOpt("manager_interval", default=2400, min=-1,
               help="Seconds between two looks for base images that nobody uses. 0 or -1: never."),
    cfg.BoolOpt("remove_unused_base_images", default=True,
                help="Remove base images that no disk lies over and nobody asked for in so long."),
    cfg.IntOpt("remove_unused_original_minimum_age_seconds", default=86400, min=0,
               help="Seconds that a base image must have been unused before it is removed."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)


def unused_seconds(conf: cfg.ConfigOpts) -> float | None:
    """After how long a base goes; None: never."""
    section = conf.image_cache
    if section.manager_interval <= 0 or not section.remove_unused_base_images:
        return None
    return float(section.remove_unused_original_minimum_age_seconds)
