# SPDX-License-Identifier: Apache-2.0
"""What a compute host is told about itself, in plain values: its manager and its reporter are given the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nova.compute.chores import ImageAging


@dataclasses.dataclass(frozen=True)
class Settings:
    """``heartbeat`` and ``scan`` are intervals in seconds; ``workers`` operations run side by side, of which so many
    ``live_migrations`` (0: any number). ``stop_unexpected``: guests that run although their servers are off are
    stopped. ``revive``: guests of active servers are started with the host. ``strangers``: what becomes of guests of
    nobody. ``fence_after``: as :class:`Lonely` has it."""

    host: str
    state_path: Path
    heartbeat: float = 2.0
    scan: float = 2.0
    power_sync: float = 600.0
    report: float = 60.0
    workers: int = 10
    shutdown_timeout: float = 60.0
    stop_unexpected: bool = True
    revive: bool = False
    strangers: str = "reap"
    fence_after: float = 0.0
    aging: ImageAging = dataclasses.field(default_factory=ImageAging)
    live_migrations: int = 0
    version: int = 1
