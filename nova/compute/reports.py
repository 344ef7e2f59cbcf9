# SPDX-License-Identifier: Apache-2.0
"""Reports of a host's inventory: a full one when its digest changed, nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova import concurrency
from nova.compute.settings import Settings
from nova.objects.compute_node import ComputeNode
from nova.objects.store import Store
from nova.virt.interfaces import abilities_of


class Reporter:
    def __init__(self, settings: Settings, driver: Any, store: Store, changed: Callable[[], None]) -> None:
        self._settings, self._driver, self._store, self._changed = settings, driver, store, changed
        self._uuid = _stable_uuid(settings.state_path / "compute_id")
        self._sent: str | None = None

    def report(self) -> bool:
        """Send the inventory if it differs from what was last sent; True if it was."""
        inventory, abilities = self._driver.inventory(), abilities_of(self._driver)
        digest = inventory.digest(abilities)
        if digest == self._sent:
            return False
        values = {k: v for k, v in inventory.as_dict().items() if k in ComputeNode.fields}
        values["traits"] = list(inventory.traits)
        values["abilities"] = list(abilities)
        values["supported_instances"] = [list(i) for i in inventory.supported_instances]
        node = ComputeNode.new(**values | {"uuid": self._uuid, "host": self._settings.host, "digest": digest,
                                           "uptime": self._driver.uptime()})
        self._store.compute_node_report(node)
        self._sent = digest
        self._changed()
        return True


def _stable_uuid(path: Path) -> str:
    """The uuid of this host's compute node: made once, kept in the state directory."""
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = concurrency.uuid4()
    partial = path.with_suffix(".new")
    partial.write_text(fresh + "\n")
    partial.rename(path)
    return fresh
