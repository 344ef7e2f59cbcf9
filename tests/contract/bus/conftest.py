# SPDX-License-Identifier: Apache-2.0
"""The buses that the contract is checked on: in the process, simulated, and RabbitMQ with both kinds of queues."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
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
        if self.simulation is not None:
            return
        closing = [concurrency.spawn(bus.close) for bus in self._buses]  # each waits a second for its broker
        assert all([task.join(120) for task in closing])

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = f"nova-memory://{uuid.uuid4().hex}" if self.kind == "memory" else self._vhost()
        return self._urls[name]


@pytest.fixture
def vhosts(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Makes virtual hosts on the session's broker, which is started only if one is wanted."""
    made: list[str] = []

    def make() -> str:
        name = f"bus-{uuid.uuid4().hex[:12]}"
        url: str = request.getfixturevalue("rabbitmq").create_vhost(name)
        made.append(name)
        return url

    yield make
    for name in made:
        request.getfixturevalue("rabbitmq").delete_vhost(name)


@pytest.fixture(params=KINDS)
def kit(request: pytest.FixtureRequest, vhosts: Callable[[], str]) -> Iterator[Kit]:
    made = Kit(request.param, vhosts)
    yield made
    if made.simulation is None:
        made.close()


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
