# SPDX-License-Identifier: Apache-2.0
"""A store over each way that hosts and tests reach one: directly on three databases, and over RPC."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import nova.db.cell
from nova import concurrency
from nova.clients.store import RemoteStore
from nova.conductor.endpoints import DueHosts, Heartbeats, StoreEndpoint
from nova.db.cell import instances
from nova.db.cell.tables import operations, services
from nova.db.engine import Database
from nova.rpc.bus import OsloBus
from nova.rpc.envelope import NullSigner
from nova.rpc.envelope import Sender as BusSender
from nova.store.cell import CellStore
from tests.functional.cloud import make_conf, make_tables

#: Longer than any pause of a busy machine: who is to be silent for longer is made so.
LEASE = 300.0
KINDS = ("sqlite", "postgresql", "mariadb", "rpc")


@dataclasses.dataclass
class Bench:
    """``store(host)`` acts on behalf of that host; rows are planted and looked at in the database."""

    database: Database
    store: Callable[[str], Any]

    def server(self, host: str = "h1", **values: Any) -> str:
        uuid = concurrency.uuid4()
        row: dict[str, Any] = {
            "uuid": uuid, "project_id": "p1", "user_id": "u1", "display_name": "vm", "vm_state": "building",
            "task_state": "spawning", "flavor": {"name": "f"}, "flavorid": "1", "vcpus": 1, "memory_mb": 512,
            "root_gb": 1, "ephemeral_gb": 0, "metadata": {}, "system_metadata": {}, "tags": [],
            "network_info": [{"id": "port"}], "security_groups": [], "scheduler_hints": {}, "host": host, "epoch": 1,
            "image_properties": {}, "created_at": concurrency.time(), "updated_at": concurrency.time()}
        with self.database.write() as conn:
            instances.insert(conn, [row | values])
        return uuid

    def operation(self, server: str, host: str = "h1", *, due_in: float = 0.0, **values: Any) -> str:
        uuid = concurrency.uuid4()
        row: dict[str, Any] = {
            "uuid": uuid, "instance_uuid": server, "project_id": "p1", "request_id": "r", "seq": 1, "action": "create",
            "actor": {}, "inputs": {"a": 1}, "state": "open", "level": "host", "host": host, "step": "build",
            "step_data": {"selected": {"host": host}, "image": {"id": "i"}}, "epoch": 1,
            "created_at": concurrency.time()}
        with self.database.write() as conn:
            operations.insert(conn, [row | values], due_in=due_in)
        return uuid

    def silence(self, seconds: float = 2 * LEASE) -> None:
        """As if no service had been heard for so much longer."""
        s = services.services
        with self.database.write() as conn:
            conn.execute(s.update().values(last_seen=s.c.last_seen - seconds))

    def age(self) -> float:
        """Seconds since the only service was heard."""
        with self.database.read() as conn:
            [found] = services.list(conn)
        return float(found["age"])

    def row(self, operation: str) -> dict[str, Any]:
        with self.database.read() as conn:
            found = operations.get(conn, operation)
        assert found is not None
        return found

    def instance(self, uuid: str) -> dict[str, Any]:
        with self.database.read() as conn:
            found = instances.get(conn, uuid)
        assert found is not None
        return found


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, make_database: Callable[..., str]) -> Iterator[Bench]:
    kind = "sqlite" if request.param == "rpc" else request.param
    database = Database(make_database(kind, "cell"), name="cell")
    make_tables(database, nova.db.cell)
    trusted = CellStore(database, lease=LEASE)
    try:
        if request.param != "rpc":
            yield Bench(database, trusted.on_behalf_of)
        else:
            with _served(database, trusted) as bench:
                yield bench
    finally:
        database.dispose()


class _served:  # noqa: N801 - reads like the context that it is
    """The store as a conductor offers it, asked over a bus by the host that the envelope names."""

    def __init__(self, database: Database, trusted: CellStore) -> None:
        from nova.cmd.wiring.control import asking_host

        self._database, self._conf = database, make_conf()
        self._url = f"nova-memory://{concurrency.uuid4().replace('-', '')}"
        self._heartbeats = Heartbeats(database, interval=0.1)
        endpoint = StoreEndpoint(trusted, self._heartbeats, DueHosts(database, lease=LEASE, interval=0.0),
                                 sender=asking_host, inventory_changed=lambda: None)
        self._server = self._bus("ctl", "nova-conductor").serve("conductor", "ctl", [endpoint], workers=8)

    def _bus(self, host: str, service: str) -> OsloBus:
        return OsloBus(self._conf, self._url, name="cell", signer=NullSigner(),
                       sender=BusSender(service, host, concurrency.uuid4()))

    def __enter__(self) -> Bench:
        self._heartbeats.start()
        self._server.start()
        return Bench(self._database, lambda host: RemoteStore(self._bus(host, "nova-compute")))

    def __exit__(self, *exc: object) -> None:
        self._server.stop()
        self._server.wait()
        self._heartbeats.stop()
