# SPDX-License-Identifier: Apache-2.0
"""A host's chores in simulated time: unused base images, epochs of servers that left, guests of a host cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova import concurrency, errors, states
from nova.compute.chores import Chores, ImageAging
from nova.compute.epochs import Epochs
from nova.compute.lonely import Lonely
from nova.concurrency.simulation import Simulation
from nova.objects.instance import Instance
from nova.virt.interfaces import ImageCache
from nova.virt.types import GuestInfo


class Shelf(ImageCache):
    """A driver that only keeps images."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.broken = False

    def supports(self, interface: type) -> bool:
        return isinstance(self, interface)

    def cache_image(self, image: Any) -> None:
        raise AssertionError("nobody asks for images here")

    def prune_images(self, unused_seconds: float) -> list[str]:
        self.asked.append(unused_seconds)
        if self.broken:
            raise errors.HostFailure("The disk is away.")
        return ["0" * 40]


class Guests:
    """A driver that only knows whether guests run."""

    def __init__(self, *uuids: str) -> None:
        self.power = dict.fromkeys(uuids, states.RUNNING)

    def info(self, uuid: str) -> GuestInfo:
        if uuid not in self.power:
            raise errors.NotFound(uuid)
        return GuestInfo(uuid=uuid, name=uuid, power_state=self.power[uuid], max_memory_kb=1, memory_kb=1,
                         vcpus=1, cpu_time_ns=0)

    def power_off(self, uuid: str, timeout: float = 0) -> None:
        self.power[uuid] = states.SHUTDOWN

    def power_on(self, uuid: str) -> None:
        self.power[uuid] = states.RUNNING


@pytest.fixture
def run() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    def runner(story: Callable[[], Any]) -> Any:
        sim = Simulation(1)
        with concurrency.using(sim):
            try:
                return sim.run(story, limit=100_000)
            finally:
                sim.close()

    yield runner


def server(uuid: str, policy: str | None = "evacuate") -> Instance:
    return Instance.new(uuid=uuid, project_id="p", user_id="u", display_name="", vcpus=1, memory_mb=1, root_gb=1,
                        metadata={"ha:policy": policy} if policy else {}, flavor={"extra_specs": {}},
                        vm_state=states.ACTIVE, task_state=None)


def test_base_images_are_pruned_at_their_interval(run: Any, tmp_path: Path) -> None:
    def story() -> None:
        shelf = Shelf()
        chores = Chores(shelf, Epochs(tmp_path / "e"), lambda: (), ImageAging(every=100, unused=7))
        for _ in range(25):
            concurrency.sleep(10)
            shelf.broken = len(shelf.asked) == 1
            chores.check()
        assert shelf.asked == [7, 7]
        never = Chores(shelf, Epochs(tmp_path / "f"), lambda: (), ImageAging())
        concurrency.sleep(10_000)
        never.check()
        assert shelf.asked == [7, 7]

    run(story)


def test_epochs_of_servers_that_left_before_a_restart_are_forgotten(run: Any, tmp_path: Path) -> None:
    def story() -> None:
        path = tmp_path / "epochs"
        old = Epochs(path)
        for number in range(600):
            old.admit(f"gone{number}", 1)
            old.admit(f"gone{number}", 2)
        old.admit("here", 5)
        fresh = Epochs(path)
        fresh.sweep({"here"})
        assert not fresh.admit("gone1", 1), "a late message is refused for a while"
        concurrency.sleep(1000)
        fresh.sweep({"here"})
        assert fresh.admit("gone1", 1) and not fresh.admit("here", 4)
        assert len(path.read_bytes().splitlines()) < 10
        assert not Epochs(path).admit("here", 4)

    run(story)


def test_a_server_that_came_back_is_not_forgotten(run: Any, tmp_path: Path) -> None:
    def story() -> None:
        epochs = Epochs(tmp_path / "epochs")
        epochs.admit("a", 7)
        epochs.sweep(set())
        concurrency.sleep(500)
        epochs.sweep({"a"})
        concurrency.sleep(500)
        epochs.sweep({"a"})
        assert not epochs.admit("a", 6)

    run(story)


def test_a_host_that_is_cut_off_stops_what_would_be_evacuated(run: Any, tmp_path: Path) -> None:
    def story() -> None:
        driver = Guests("wants", "wants-not", "moved")
        lonely = Lonely(tmp_path / "l", driver, after=30)
        lonely.learn([server("wants"), server("wants-not", None), server("moved"), server("absent")], all_of_host=True)
        concurrency.sleep(29)
        assert lonely.check() == [] and not lonely.heard()
        concurrency.sleep(29)
        assert lonely.check() == []
        concurrency.sleep(2)
        assert lonely.check() == ["moved", "wants"]
        assert driver.power == {"wants": states.SHUTDOWN, "wants-not": states.RUNNING, "moved": states.SHUTDOWN}
        assert lonely.check() == []
        assert lonely.heard()
        assert lonely.revive([server("wants"), server("wants-not", None)]) == ["wants"]
        assert not lonely.heard() and driver.power["moved"] == states.SHUTDOWN

    run(story)


def test_what_was_stopped_is_started_by_a_later_process(run: Any, tmp_path: Path) -> None:
    def story() -> None:
        driver = Guests("a", "b")
        lonely = Lonely(tmp_path / "l", driver, after=30)
        lonely.learn([server("a"), server("b")], all_of_host=True)
        concurrency.sleep(31)
        assert lonely.check() == ["a", "b"]
        later = Lonely(tmp_path / "l", driver, after=30)
        assert later.heard() and later.revive([server("a")]) == ["a"]
        assert driver.power == {"a": states.RUNNING, "b": states.SHUTDOWN}
        assert not Lonely(tmp_path / "l", driver, after=30).heard()

    run(story)


def test_it_is_remembered_over_a_restart(run: Any, tmp_path: Path) -> None:
    def story() -> None:
        Lonely(tmp_path / "l", Guests(), after=30).learn([server("a"), server("b")])
        lonely = Lonely(tmp_path / "l", Guests("a", "b"), after=30)
        lonely.learn([server("b", "none")])
        concurrency.sleep(31)
        assert lonely.check() == ["a"]
        never = Lonely(tmp_path / "n", Guests("a"), after=0)
        never.learn([server("a")])
        concurrency.sleep(10_000)
        assert never.check() == [] and not (tmp_path / "n").exists()

    run(story)
