# SPDX-License-Identifier: Apache-2.0
"""Which drivers there are and how one is made. Nothing of a driver is imported before it is asked for."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Callable
from importlib import metadata
from typing import Any

from oslo_config import cfg

from nova import errors
from nova.virt.interfaces import Driver

GROUP = "nova.virt.drivers"

#: name → "module:factory"; a factory takes (conf, host, state_path).
BUILTIN = {
    "fake": "nova.virt.fake.driver:make",
    "libvirt": "nova.virt.libvirt.driver:make",
}

Factory = Callable[[cfg.ConfigOpts, str, pathlib.Path], Driver]


def names() -> list[str]:
    """Every driver that can be loaded here, ours and those of other distributions."""
    return sorted({*BUILTIN, *(p.name for p in metadata.entry_points(group=GROUP))})


def load(name: str, conf: cfg.ConfigOpts, host: str, state_path: str | pathlib.Path) -> Driver:
    """The driver ``name`` for the host called ``host``, which may keep things under ``state_path``. Not yet started."""
    return _factory(name)(conf, host, pathlib.Path(state_path))


def _factory(name: str) -> Factory:
    if target := BUILTIN.get(name):
        module, _, attribute = target.partition(":")
        factory: Factory = getattr(importlib.import_module(module), attribute)
        return factory
    for point in metadata.entry_points(group=GROUP):
        if point.name == name:
            found: Any = point.load()
            return found  # type: ignore[no-any-return]
    raise errors.ConfigError(f"compute_driver = {name!r} is unknown; use one of: {', '.join(names())}.")
