# SPDX-License-Identifier: Apache-2.0
"""The second name of servers, ``/os-volumes_boot`` (until 2.102): the same routes, handled by the same objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from nova.web.routing import Route

_ACTIONS = frozenset({"confirmResize", "revertResize", "reboot", "resize", "rebuild", "createImage", "os-start",
                      "os-stop", "trigger_crash_dump"})
LAST = "2.102"


def aliases(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes that have a second name, under it."""
    return tuple(
        dataclasses.replace(route, path=route.path.replace("/servers", "/os-volumes_boot", 1),
                            versions=(route.versions[0] if route.versions else "2.1", LAST))
        for route in routes if route.action is None or route.action in _ACTIONS)
