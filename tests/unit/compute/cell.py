# SPDX-License-Identifier: Apache-2.0
"""The cell as a host sees it through its Store, in memory: the edge of nova-compute's process."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.objects.compute_node import ComputeNode
from nova.objects.instance import Instance


class CellInMemory:
    """Servers by uuid; ``saved`` and ``told`` are what the host wrote. ``listed`` is an older list of the servers.
    While it is ``silent`` it does not tell which there are."""

    def __init__(self) -> None:
        self.servers: dict[str, Instance] = {}
        self.saved: list[tuple[str, dict[str, Any], int | None]] = []
        self.told: list[dict[str, int]] = []
        self.nodes: list[ComputeNode] = []
        self.listed: list[Instance] | None = None
        self.moving: list[str] = []
        self.silent = False

    def add(self, uuid: str, **values: Any) -> Instance:
        fields: dict[str, Any] = {"uuid": uuid, "host": "host1", "vm_state": "active", "task_state": None,
                                  "power_state": 1, "epoch": 1, "deleted": False, "project_id": "p", "user_id": "u",
                                  "display_name": "vm", "vcpus": 1, "memory_mb": 64, "root_gb": 1}
        self.servers[uuid] = Instance.new(**fields | values)
        return self.servers[uuid]

    def instances_on_host(self, host: str) -> list[Instance]:
        if self.silent:
            raise errors.Unavailable("conductor did not answer")
        listed = self.servers.values() if self.listed is None else self.listed
        return [s for s in listed if s.host == host and not s.deleted]

    def servers_moving(self, host: str) -> list[str]:
        return self.moving

    def copies_wanted(self, host: str, uuids: list[str]) -> list[str]:
        return [uuid for uuid in uuids if uuid in self.moving]

    def instance_get(self, uuid: str) -> Instance:
        if uuid not in self.servers:
            raise errors.NotFound(f"no server {uuid}")
        return self.servers[uuid]

    def instance_save(self, uuid: str, changes: dict[str, Any], epoch: int | None = None) -> Instance:
        server = self.instance_get(uuid)
        if epoch is not None and server.epoch != epoch:
            raise errors.Stale("another owner")
        self.saved.append((uuid, changes, epoch))
        for name, value in changes.items():
            setattr(server, name, value)
        return server

    def instance_power_states(self, host: str, states: dict[str, int]) -> None:
        self.told.append(states)
        for uuid, power in states.items():
            self.servers[uuid].power_state = power

    def compute_node_report(self, node: ComputeNode) -> ComputeNode:
        self.nodes.append(node)
        return node
