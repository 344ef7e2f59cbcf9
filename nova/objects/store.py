# SPDX-License-Identifier: Apache-2.0
"""The Store protocol: what a host may ask of its cell. Implemented over tables and over RPC elsewhere.

Everything taken and given is a versioned object or plain JSON. The conductor offers exactly :data:`STORE_METHODS`, and
checks on each call that what is asked for belongs to the host that asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from nova.objects.compute_node import ComputeNode
    from nova.objects.instance import Instance
    from nova.objects.service import Service
    from nova.objects.work import Work


@runtime_checkable
class Store(Protocol):
    """Reads and writes of a host, all in its own cell."""

    # -- the service itself

    def service_register(self, service: Service) -> Service:
        """Enter this start (``service.incarnation``) of a service; makes the row if there is none."""
        ...

    def service_heartbeat(self, service_uuid: str, incarnation: str) -> None:
        """Renew the lease of everything the incarnation owns; over RPC it is batched with those of other hosts."""
        ...

    def compute_node_report(self, node: ComputeNode) -> ComputeNode:
        """Store a host's inventory. A report with an unchanged digest need not be sent."""
        ...

    # -- servers

    def instances_on_host(self, host: str) -> list[Instance]: ...

    def instance_get(self, uuid: str) -> Instance: ...

    def instance_save(self, uuid: str, changes: dict[str, Any], epoch: int | None = None) -> Instance:
        """Change fields of a server. With ``epoch``: only if the server's epoch is still that; else Stale."""
        ...

    def instance_power_states(self, host: str, states: dict[str, int]) -> None:
        """Power states seen by the hypervisor, by server uuid; one call for all that changed."""
        ...

    def servers_moving(self, host: str) -> list[str]:
        """The uuids of servers that an open operation moves to or from the host: their guests may be there although
        their records name another."""
        ...

    def copies_wanted(self, host: str, uuids: list[str]) -> list[str]:
        """Which of these servers, whose disks were set aside on the host when they left it, may yet come back to them.
        """
        ...

    # -- operations

    def operations_due(self, host: str, incarnation: str, running: list[str]) -> list[Work]:
        """Take the open operations of this host that are due and neither running here nor owned by a living other."""
        ...

    def operation_take(self, operation_uuid: str, epoch: int, incarnation: str) -> Work | None:
        """Become the owner if the row is still at ``epoch``; None when another won."""
        ...

    def operation_record(self, operation_uuid: str, epoch: int, record: dict[str, Any]) -> None:
        """Write what the host's runner did, in one transaction: ``record`` holds ``kind`` (advance, hand, finish or
        release), ``step``, ``level``, ``data``, ``state``, ``event``, ``fault``, ``delay`` and ``changes`` of the
        server. ``said``, if it is there, is [speaker, number]: with it a record that comes twice is written once, and
        answered as the first time whatever became of the row since. Raises Stale when the epoch is no longer ours:
        stop and undo nothing."""
        ...

    def operation_progress(self, operation_uuid: str, epoch: int, progress: int,
                           counters: dict[str, int] | None = None) -> None:
        """Say how far the running step is, in percent; ``counters`` are the bytes of a live migration. Raises Stale."""
        ...

    def operation_signals(self, operation_uuid: str, epoch: int) -> list[str]:
        """What was said to the running operation: abort, force_complete. Raises Stale."""
        ...

    # -- networks

    def network_documents(self, host: str, since_version: int) -> list[dict[str, Any]]:
        """Port and network documents of this host newer than a version; all of them since 0."""
        ...

    def lease(self, host: str, mac: str, address: str, event: str) -> None:
        """A DHCP lease was added, renewed (``old``) or given back (``del``)."""
        ...


#: What the conductor offers to hosts, and nothing else.
STORE_METHODS: frozenset[str] = frozenset(n for n in vars(Store) if not n.startswith("_"))
