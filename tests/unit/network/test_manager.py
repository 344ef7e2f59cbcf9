# SPDX-License-Identifier: Apache-2.0
"""A network manager makes its host equal to documents, and what is plugged meanwhile wins over an older answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from oslo_config import cfg

from nova import concurrency, errors
from nova.concurrency import simulation
from nova.conf import network as options
from nova.network.build import network_manager
from nova.network.manager import OVERLAP, NetworkManager
from nova.network.plumbing import NullPlumbing

Document = dict[str, Any]
NETWORKS = {n: {"id": n, "label": n, "bridge": n, "version": 1} for n in ("net1", "net2")}


def vif(name: str, network: str = "net1") -> Document:
    return {"id": name, "device": f"tap{name}", "address": name, "network": NETWORKS[network], "version": 1}


class Cell:
    """Documents by hand; ``during`` runs while a host waits for its answer."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.asked: list[int] = []
        self.leases: list[tuple[str, ...]] = []
        self.during: Callable[[], None] = lambda: None
        self.failures: list[errors.NovaError] = []

    def holds(self, *names: str, network: str = "net1", version: int = 50_000_000) -> None:
        self.documents = [{"instance_uuid": f"server-{n}", "vifs": [vif(n, network)], "deleted": False,
                           "version": version} for n in names]

    def network_documents(self, host: str, since_version: int) -> list[Document]:
        self.asked.append(since_version)
        if self.failures:
            raise self.failures.pop()
        answer = list(self.documents)
        self.during()
        return answer

    def lease(self, host: str, mac: str, address: str, event: str) -> None:
        if self.failures:
            raise self.failures.pop()
        self.leases.append((host, mac, address, event))


@pytest.fixture
def cell() -> Cell:
    return Cell()


@pytest.fixture
def plumbing() -> NullPlumbing:
    return NullPlumbing()


@pytest.fixture
def conf() -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("state_path", default="/nonexistent"))
    options.register(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override("manager", "none", group="network")
    return conf


@pytest.fixture
def manager(conf: cfg.ConfigOpts, cell: Cell, plumbing: NullPlumbing) -> NetworkManager:
    return NetworkManager(conf, "h1", cell, plumbing)


def labels(plumbing: NullPlumbing) -> list[str]:
    return [n["label"] for n in plumbing.networks()]


def test_plug_and_unplug_may_be_repeated(manager: NetworkManager, plumbing: NullPlumbing) -> None:
    for _ in range(2):
        manager.plug("s", [vif("a"), vif("b", "net2")])
        assert plumbing.devices() == {"tapa", "tapb"} and labels(plumbing) == ["net1", "net2"]
    for _ in range(2):
        manager.unplug("s")
        assert plumbing.devices() == set()
    manager.unplug("unknown", [vif("a")])


def test_first_look_is_complete_and_removes_what_no_document_names(manager: NetworkManager, plumbing: NullPlumbing,
                                                                   cell: Cell) -> None:
    plumbing.ensure_network(NETWORKS["net2"])
    plumbing.apply([vif("old", "net2")], ())  # as found on the host at the start
    cell.holds("a", "b")
    manager.sync()
    assert cell.asked == [0]
    assert plumbing.devices() == {"tapa", "tapb"} and labels(plumbing) == ["net1"]
    manager.unplug("server-a")
    assert plumbing.devices() == {"tapb"}


def test_later_looks_ask_for_what_is_new_and_keep_the_rest(manager: NetworkManager, plumbing: NullPlumbing,
                                                           cell: Cell) -> None:
    cell.holds("a", "b")
    manager.sync()
    cell.documents = [{"instance_uuid": "server-a", "vifs": [vif("a")], "deleted": True, "version": 50_000_001}]
    manager.sync()
    assert cell.asked == [0, 50_000_000 - OVERLAP]
    assert plumbing.devices() == {"tapb"}
    cell.documents = []
    manager.sync()
    assert plumbing.devices() == {"tapb"} and cell.asked[-1] == 50_000_001 - OVERLAP
    cell.documents = [{"instance_uuid": "server-b", "vifs": [vif("c")], "deleted": False, "version": 50_000_002}]
    manager.sync()
    assert plumbing.devices() == {"tapc"}
    cell.documents = []
    manager.sync(complete=True)
    assert plumbing.devices() == set() and labels(plumbing) == []


def test_what_happens_during_a_look_is_newer_than_its_answer(manager: NetworkManager, plumbing: NullPlumbing,
                                                             cell: Cell) -> None:
    cell.holds("going", "staying")
    manager.sync()

    def meanwhile() -> None:
        manager.plug("new", [vif("new", "net2")])
        manager.unplug("server-going")

    cell.during = meanwhile
    manager.sync(complete=True)
    assert plumbing.devices() == {"tapstaying", "tapnew"}
    assert labels(plumbing) == ["net1", "net2"]


def test_unreachable_cell_is_asked_again(conf: cfg.ConfigOpts, cell: Cell) -> None:
    cell.holds("a")
    cell.failures = [errors.Unavailable("no answer")] * 3
    sim = simulation.Simulation(1)
    with concurrency.using(sim):
        manager = network_manager(conf, "h1", cell)

        def story() -> None:
            manager.start()
            concurrency.sleep(20)
            assert cell.asked == [0, 0, 0, 0]
            manager.refresh()
            concurrency.sleep(1)
            assert cell.asked[4:] == [50_000_000 - OVERLAP]
            manager.lease("m", "10.0.0.2", "add")
            concurrency.sleep(1)
            cell.failures = [errors.Unavailable("no answer")]
            manager.lease("m", "10.0.0.2", "del")
            concurrency.sleep(1)
            manager.lease("m", "10.0.0.3", "add")
            concurrency.sleep(1)
            manager.stop()

        sim.run(story)
    assert cell.leases == [("h1", "m", "10.0.0.2", "add"), ("h1", "m", "10.0.0.3", "add")]
