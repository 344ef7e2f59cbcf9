# SPDX-License-Identifier: Apache-2.0
"""A hypervisor host: nova-compute and nova-network. Neither reaches a database."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova import concurrency, errors
from nova.clients.network import NetworkClient
from nova.clients.nudges import Sender as NudgeSender
from nova.clients.orchestrator import CellOrchestratorClient
from nova.clients.store import RemoteStore
from nova.compute.chores import ImageAging
from nova.compute.endpoint import ComputeEndpoint
from nova.compute.manager import ComputeManager
from nova.compute.settings import Settings
from nova.compute.workflows import WORKFLOWS
from nova.conf.image_cache import unused_seconds
from nova.context import service_context
from nova.network.build import network_manager
from nova.network.endpoint import NetworkEndpoint
from nova.virt import registry
from nova.workflow import Row, Workflows

LOG = logging.getLogger(__name__)


class RemoteNetworking:
    """nova-network of the same host, over the bus."""

    def __init__(self, bus: Any, host: str) -> None:
        self._client, self._host = NetworkClient(bus), host
        self._ahead: dict[str, concurrency.Task] = {}

    def plug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._catch_up(instance_uuid)
        if vifs:
            self._client.plug(service_context(), self._host, instance_uuid, vifs)

    def unplug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._catch_up(instance_uuid)
        if vifs:
            self._client.unplug(service_context(), self._host, instance_uuid, vifs)

    def unplug_ahead(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._catch_up(instance_uuid)
        if vifs:
            self._ahead[instance_uuid] = concurrency.spawn(self._try_unplug, instance_uuid, vifs,
                                                           name=f"unplug-{instance_uuid}")

    def _try_unplug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        try:
            self._client.unplug(service_context(), self._host, instance_uuid, vifs)
        except errors.NovaError as e:
            LOG.info("the network of server %s is taken away later: %s", instance_uuid, e.message)

    def _catch_up(self, instance_uuid: str) -> None:
        """Wait for what was begun ahead. A server has one operation at a time, so nobody else begins anything."""
        begun = self._ahead.pop(instance_uuid, None)
        if begun is not None:
            begun.join()

    def pull(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        self._catch_up(instance_uuid)
        self._client.pull(service_context(), self._host, instance_uuid, vifs)


class NoDataPlane:
    """Guests of the fake driver have addresses and nothing to plug."""

    def plug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        return None

    def unplug(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        return None

    def unplug_ahead(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        return None

    def pull(self, instance_uuid: str, vifs: list[dict[str, Any]]) -> None:
        return None


@dataclasses.dataclass
class ComputeService:
    manager: ComputeManager
    sender: NudgeSender
    server: Any

    def start(self) -> None:
        self.sender.start()
        self.manager.start()
        self.server.start()

    def stop(self) -> None:
        self.server.stop()
        self.server.wait()
        self.manager.stop()
        self.sender.stop()


def settings_of(conf: Any, host: str, state_path: Path) -> Settings:
    return Settings(host=host, state_path=state_path, heartbeat=conf.report_interval, scan=conf.report_interval,
                    workers=conf.workers, shutdown_timeout=float(conf.shutdown_timeout),
                    power_sync=float(conf.sync_power_state_interval),
                    revive=conf.resume_guests_state_on_host_boot,
                    stop_unexpected=conf.sync_power_state_unexpected_call_stop,
                    live_migrations=conf.max_concurrent_live_migrations,
                    strangers=conf.running_deleted_instance_action, fence_after=conf.ha.fence_after,
                    aging=_aging(conf))


def _aging(conf: Any) -> ImageAging:
    unused = unused_seconds(conf)
    return ImageAging() if unused is None else ImageAging(float(conf.image_cache.manager_interval), unused)


def upload_file(url: str, path: Path) -> None:
    """Over HTTP. What that needs is imported when the first image is sent: few hosts ever do at a time."""
    from nova.host.upload import send

    send(url, path)


def compute_service(conf: Any, bus: Any, host: str, state_path: Path, *, driver_name: str, store: Any = None,
                    upload: Callable[[str, Path], None] = upload_file,
                    drop: Callable[[str], bool] = lambda label: False,
                    workflows: Workflows = WORKFLOWS) -> ComputeService:
    """nova-compute for ``host`` on the bus of its cell."""
    sender = NudgeSender(drop=drop)
    driver = registry.load(driver_name, conf, host, state_path)
    orchestrator = CellOrchestratorClient(bus)

    def nudge_up(row: Row) -> None:
        if row.level == "host":
            return  # the conductor that recorded it tells the other host
        sender.send(f"orchestrator.{row.action}", orchestrator.look, service_context(), [[row.uuid, row.epoch]])

    networking = RemoteNetworking(bus, host) if driver.capabilities.data_plane else NoDataPlane()
    manager = ComputeManager(settings_of(conf, host, state_path), driver, store or RemoteStore(bus), networking,
                             nudge_up, upload, workflows=workflows)
    server = bus.serve("compute", host, [ComputeEndpoint(manager)], workers=conf.workers)
    return ComputeService(manager, sender, server)


@dataclasses.dataclass
class NetworkService:
    manager: Any
    server: Any

    def start(self) -> None:
        self.manager.start()
        self.server.start()

    def stop(self) -> None:
        self.server.stop()
        self.server.wait()
        self.manager.stop()


def network_service(conf: Any, bus: Any, host: str) -> NetworkService:
    """nova-network for ``host``."""
    manager = network_manager(conf, host, RemoteStore(bus))
    return NetworkService(manager, bus.serve("network", host, [NetworkEndpoint(manager)], workers=conf.workers))
