# SPDX-License-Identifier: Apache-2.0
"""What a host does now and then besides its operations: base images that nobody uses, epochs of servers that are gone.

Each chore has an interval of its own, counted from when it was last done; a start counts as that.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import Any

from nova import concurrency, errors
from nova.compute.epochs import Epochs
from nova.virt.interfaces import ImageCache

LOG = logging.getLogger(__name__)
_EPOCHS_EVERY = 600.0


@dataclasses.dataclass(frozen=True)
class ImageAging:
    """Every so many seconds (0: never) bases go that were unused for ``unused`` seconds."""

    every: float = 0.0
    unused: float = 86400.0


class Chores:
    """``here`` gives the uuids of the servers that the cell has on this host, or that are at work here."""

    def __init__(self, driver: Any, epochs: Epochs, here: Callable[[], Iterable[str]], aging: ImageAging) -> None:
        self._driver, self._epochs, self._here, self._aging = driver, epochs, here, aging
        now = concurrency.monotonic()
        self._done = {"images": now, "epochs": now}

    def check(self) -> None:
        """Do what is due."""
        if self._due("images", self._aging.every) and self._driver.supports(ImageCache):
            self._prune()
        if self._due("epochs", _EPOCHS_EVERY):
            self._epochs.sweep(self._here())

    def _due(self, chore: str, every: float) -> bool:
        now = concurrency.monotonic()
        if not every or now - self._done[chore] < every:
            return False
        self._done[chore] = now
        return True

    def _prune(self) -> None:
        try:
            removed = self._driver.prune_images(self._aging.unused)
        except errors.NovaError as e:
            LOG.warning("unused base images are looked for again later: %s", e.message)
            return
        if removed:
            LOG.info("%d base images that nobody used were removed", len(removed))
