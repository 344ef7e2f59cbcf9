# SPDX-License-Identifier: Apache-2.0
"""The buses that the contract is checked on: in the process, simulated, and RabbitMQ with both kinds of queues."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova import concurrency
from nova.concurrency.simulation import Simulation
from nova.conf import rpc as rpc_section
from nova.objects.base import Backport
from nova.rpc.bus import Bus, OsloBus, RpcServer
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import Keyring, NullSigner, Sealer, Sender, Signer
from nova.rpc.simulated import Faults, SimulatedBus

KINDS = ("memory", "simulated", "rabbitmq", "rabbitmq-classic")


def make_conf(**options: Any) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    rpc_section.register(conf)
    conf([], project="nova-test")
    for name, value in options.items():
        conf.set_override(name, value, group="rpc")
    return conf


class Kit:
    """Makes buses of one kind; those of the same name reach each other. Stops and closes everything at the end."""

    def __init__(self, kind: str, vhost: Callable[[], str]) -> None:
        self.kind = kind
        self.simulation = Simulation(seed=1) if kind == "simulated" else None
        self.faults = Faults()
        self.keyring = Keyring()
        self.keyring.generate()
        self._vhost = vhost
        self._urls: dict[str, str] = {}
        self._buses: list[Bus] = []
        self._servers: list[RpcServer] = []

    def signer(self) -> Sealer:
        return Signer(self.keyring)

    def bus(self, name: str = "cell1", *, service: str = "api", host: str = "c1", signer: Sealer | None = None,
            backport: Backport | None = None, **options: Any) -> Bus:
        sender = Sender(service, host, str(uuid.uuid4()))
        signer = signer or self.signer()
        made: Bus
        if self.simulation is not None:
            made = SimulatedBus(self.simulation, name, self.faults, signer=signer, sender=sender, backport=backport)
        else:
            made = OsloBus(make_conf(quorum_queues=self.kind != "rabbitmq-classic", **options), self._url(name),
                           name=f"{name}-{service}", signer=signer, sender=sender, backport=backport)
        self._buses.append(made)
        return made

    def serve(self, bus: Bus, endpoint: Endpoint, topic: str = "conductor", server: str = "c1",
              **options: Any) -> RpcServer:
        made = bus.serve(topic, server, [endpoint], **options)
        made.start()
        self._servers.append(made)
        return made

    def close(self) -> None:
        for server in self._servers:
            server.stop()
        for server in self._servers:
            server.wait()
        if self.simulation is None:
            closing = [concurrency.spawn(bus.close) for bus in self._buses]
            assert all([task.join(120) for task in closing]), "a bus does not let go"

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = f"nova-memory://{uuid.uuid4().hex}" if self.kind == "memory" else self._vhost()
        return self._urls[name]


class Vhosts:
    """Makes virtual hosts on the session's broker, which is started only if one is wanted."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._made: list[tuple[Any, str]] = []

    def __call__(self) -> str:
        broker, name = self._request.getfixturevalue("rabbitmq"), f"bus-{uuid.uuid4().hex[:12]}"
        url: str = broker.create_vhost(name)
        self._made.append((broker, name))
        return url

    def delete(self) -> None:
        for broker, name in self._made:
            broker.delete_vhost(name)


class Closing:
    """Ends beside the tests that come next: each server and bus waits a second for its broker. All end in the end, and
    before the simulation begins, which is alone in its process."""

    def __init__(self) -> None:
        self._tasks: list[concurrency.Task] = []
        self._failures: list[str] = []

    def begin(self, kit: Kit, vhosts: Vhosts, name: str) -> None:
        def close() -> None:
            try:
                kit.close()
                vhosts.delete()
            except Exception as e:
                self._failures.append(f"{name}: {e!r}")

        self._tasks.append(concurrency.spawn(close, name=f"closing {name}"))

    def end(self) -> None:
        tasks, self._tasks = self._tasks, []
        assert all([task.join(180) for task in tasks])
        assert self._failures == []


@pytest.fixture(scope="module")
def closing() -> Iterator[Closing]:
    made = Closing()
    yield made
    made.end()


@pytest.fixture(params=KINDS)
def kit(request: pytest.FixtureRequest, closing: Closing) -> Iterator[Kit]:
    vhosts = Vhosts(request)
    made = Kit(request.param, vhosts)
    if made.simulation is not None:
        closing.end()
    yield made
    if made.simulation is None:
        closing.begin(made, vhosts, request.node.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the simulated bus come first, so that few of the others are waited for in between."""
    def late(item: pytest.Item) -> bool:
        return "simulated" not in item.name

    places = [i for i, item in enumerate(items) if Path(__file__).parent in item.path.parents]
    for place, item in zip(places, sorted((items[i] for i in places), key=late), strict=True):
        items[place] = item


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """On the simulated bus the whole test is a task of the simulation."""
    kit = pyfuncitem.funcargs.get("kit")
    simulation = kit.simulation if isinstance(kit, Kit) else None
    if simulation is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with concurrency.using(simulation):
        try:
            simulation.run(lambda: (pyfuncitem.obj(**arguments), True))
        finally:
            simulation.close()
    return True


@pytest.fixture
def null_signer() -> NullSigner:
    return NullSigner()
