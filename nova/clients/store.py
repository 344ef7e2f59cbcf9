# SPDX-License-Identifier: Apache-2.0
"""The Store over RPC: how a host reaches its cell's database, through the cell's conductor and no other way."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from nova import concurrency
from nova.clients.asking import SAYINGS, ask
from nova.context import RequestContext, service_context
from nova.objects.compute_node import ComputeNode
from nova.objects.instance import Instance
from nova.objects.service import Service
from nova.objects.work import Work

TOPIC, NAMESPACE = "conductor", "store"


class RemoteStore:
    """Implements :class:`nova.objects.store.Store`. What is not answered is said again, for as many seconds each time
    as ``sayings`` tell: whatever a host asks bears that. A record has a number, by which it is written once."""

    def __init__(self, bus: Any, *, sayings: Sequence[float] = SAYINGS) -> None:
        self._bus, self._sayings = bus, sayings
        self._speaker, self._numbers = concurrency.uuid4().replace("-", "")[:16], itertools.count(1)

    def _call(self, method: str, context: RequestContext | None = None, **args: Any) -> Any:
        return ask(self._bus, context or service_context(), TOPIC, method, namespace=NAMESPACE, args=args,
                   sayings=self._sayings)

    def service_register(self, service: Service) -> Service:
        registered: Service = self._call("service_register", service=service)
        return registered

    def service_heartbeat(self, service_uuid: str, incarnation: str) -> None:
        self._bus.cast(service_context(), TOPIC, "service_heartbeat", namespace=NAMESPACE,
                       args={"service_uuid": service_uuid, "incarnation": incarnation})

    def compute_node_report(self, node: ComputeNode) -> ComputeNode:
        stored: ComputeNode = self._call("compute_node_report", node=node)
        return stored

    def instances_on_host(self, host: str) -> list[Instance]:
        servers: list[Instance] = self._call("instances_on_host", host=host)
        return servers

    def instance_get(self, uuid: str) -> Instance:
        server: Instance = self._call("instance_get", uuid=uuid)
        return server

    def instance_save(self, uuid: str, changes: dict[str, Any], epoch: int | None = None) -> Instance:
        server: Instance = self._call("instance_save", uuid=uuid, changes=changes, epoch=epoch)
        return server

    def instance_power_states(self, host: str, states: dict[str, int]) -> None:
        self._call("instance_power_states", host=host, states=states)

    def servers_moving(self, host: str) -> list[str]:
        uuids: list[str] = self._call("servers_moving", host=host)
        return uuids

    def copies_wanted(self, host: str, uuids: list[str]) -> list[str]:
        wanted: list[str] = self._call("copies_wanted", host=host, uuids=uuids)
        return wanted

    def operations_due(self, host: str, incarnation: str, running: list[str]) -> list[Work]:
        works: list[Work] = self._call("operations_due", host=host, incarnation=incarnation, running=running)
        return works

    def operation_take(self, operation_uuid: str, epoch: int, incarnation: str) -> Work | None:
        work: Work | None = self._call("operation_take", operation_uuid=operation_uuid, epoch=epoch,
                                       incarnation=incarnation)
        return work

    def operation_record(self, operation_uuid: str, epoch: int, record: dict[str, Any]) -> None:
        self._call("operation_record", operation_uuid=operation_uuid, epoch=epoch,
                   record=record | {"said": [self._speaker, next(self._numbers)]})

    def operation_progress(self, operation_uuid: str, epoch: int, progress: int,
                           counters: dict[str, int] | None = None) -> None:
        self._call("operation_progress", operation_uuid=operation_uuid, epoch=epoch, progress=progress,
                   counters=counters)

    def operation_signals(self, operation_uuid: str, epoch: int) -> list[str]:
        kinds: list[str] = self._call("operation_signals", operation_uuid=operation_uuid, epoch=epoch)
        return kinds

    def network_documents(self, host: str, since_version: int) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = self._call("network_documents", host=host, since_version=since_version)
        return documents

    def lease(self, host: str, mac: str, address: str, event: str) -> None:
        self._call("lease", host=host, mac=mac, address=address, event=event)
