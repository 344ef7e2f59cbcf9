# SPDX-License-Identifier: Apache-2.0
"""The fake driver beyond its contract: limits, knobs, restarts, many hosts in one process."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from oslo_config import cfg

from nova import concurrency, errors
from nova.concurrency import simulation
from nova.virt import registry
from nova.virt.fake.driver import FakeDriver
from nova.virt.fake.guests import COMPACT_AFTER
from nova.virt.interfaces import abilities_of
from nova.virt.types import EventKind, GuestSpec, LifecycleEvent, Nic, PowerState


def make(state: pathlib.Path, host: str = "host1", **fake: Any) -> FakeDriver:
    conf = cfg.ConfigOpts()
    conf([], project="nova", default_config_files=[])
    driver = registry.load("fake", conf, host, state)
    assert isinstance(driver, FakeDriver)
    for name, value in fake.items():
        conf.set_override(name, value, group="fake")
    if fake:
        driver = FakeDriver(conf, host, state / "fake" / host)
    driver.start()
    return driver


NIC = Nic(id="p", index=0, address="fa:16:3e:00:00:01", bridge="br", device="tap0")


def guest(**changes: Any) -> GuestSpec:
    values: dict[str, Any] = {"uuid": concurrency.uuid4(), "name": "instance-00000001", "display_name": "web <1>",
                              "vcpus": 1, "memory_mb": 128, "root_gb": 1}
    return GuestSpec(**{**values, **changes})


def test_guests_survive_a_restart(tmp_path: pathlib.Path) -> None:
    first = make(tmp_path)
    spec = guest()
    first.spawn(spec)
    first.power_off(spec.uuid)

    second = make(tmp_path)

    assert second.list() == [spec.uuid]
    assert second.info(spec.uuid).power_state is PowerState.SHUTDOWN


def test_hosts_in_one_process_know_nothing_of_each_other(tmp_path: pathlib.Path) -> None:
    one, two = make(tmp_path, "one"), make(tmp_path, "two")
    one.spawn(guest())
    one.knobs.fail("spawn")
    two.spawn(guest())
    assert len(one.list()) == len(two.list()) == 1


@pytest.mark.parametrize(("limit", "size", "word"), [
    ({"vcpus": 1}, {"vcpus": 5}, "4 vCPUs free of 4; 5"),
    ({"memory_mb": 1024}, {"memory_mb": 1025}, "1024 MiB of memory free of 1024"),
    ({"disk_gb": 10}, {"root_gb": 9, "ephemeral_gb": 1, "swap_mb": 1}, "10 GiB of disk free of 10; 11"),
])
def test_a_host_takes_no_more_than_it_has(tmp_path: pathlib.Path, limit: Any, size: Any, word: str) -> None:
    driver = make(tmp_path, **limit)
    with pytest.raises(errors.HostFailure, match=word):
        driver.spawn(guest(**size))
    assert driver.list() == []


def test_room_is_counted_over_guests_and_given_back(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path, memory_mb=256)
    first, second = guest(), guest()
    driver.spawn(first)
    driver.spawn(second)
    with pytest.raises(errors.HostFailure):
        driver.spawn(guest())
    driver.destroy(first.uuid, first.name)
    driver.spawn(guest())


def test_a_spawn_that_failed_half_way_is_done_by_its_repetition(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path, fail_at=["spawn:1"])
    spec = guest()
    with pytest.raises(errors.HostFailure, match="Told to fail at spawn"):
        driver.spawn(spec)
    assert driver.info(spec.uuid).power_state is PowerState.SHUTDOWN
    driver.spawn(spec)
    assert driver.info(spec.uuid).power_state is PowerState.RUNNING


def test_settings_may_name_a_host(tmp_path: pathlib.Path) -> None:
    sick = make(tmp_path, "sick", fail_at=["sick/spawn"])
    well = make(tmp_path, "well", fail_at=["sick/spawn"])
    well.spawn(guest())
    for _ in range(3):
        with pytest.raises(errors.HostFailure):
            sick.spawn(guest())


def test_a_bad_setting_names_its_option(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"fake.delay: 'spawn:long'"):
        make(tmp_path, delay=["spawn:long"])


def test_hosts_may_lack_abilities(tmp_path: pathlib.Path) -> None:
    names = [set(abilities_of(make(tmp_path, host, without=["old/LiveMigration", "Nmi"]))) for host in ("old", "new")]
    assert names[1] - names[0] == {"LiveMigration"} and not any("Nmi" in each for each in names)
    with pytest.raises(errors.ConfigError, match="fake.without: there is no ability 'Levitation'; there are Console"):
        make(tmp_path, without=["Levitation"])


def test_a_hanging_method_goes_on_when_released(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path, hang_at=["spawn"])
    spec = guest()
    task = concurrency.spawn(driver.spawn, spec)
    assert not task.join(0.05)
    driver.knobs.release("spawn")
    assert task.join(120)
    assert driver.info(spec.uuid).power_state is PowerState.RUNNING


def test_a_guest_destroyed_while_it_is_made_does_not_come_back(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path, hang_at=["spawn"])
    spec = guest()
    task = concurrency.spawn(_quietly, driver, spec)
    while not driver.exists(spec.uuid):
        concurrency.sleep(0.001)
    driver.destroy(spec.uuid, spec.name)
    driver.knobs.release("spawn")
    assert task.join(120)
    assert driver.list() == []


def _quietly(driver: FakeDriver, spec: GuestSpec) -> None:
    with pytest.raises(errors.HostFailure, match="destroyed while"):
        driver.spawn(spec)


def test_events_tell_what_a_guest_did_by_itself(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path)
    seen: list[LifecycleEvent] = []
    driver.listen(seen.append)
    spec = guest()
    driver.spawn(spec)
    driver.guest_stops(spec.uuid, crashed=True)
    driver.stop()
    assert [(e.uuid, e.kind) for e in seen] == [(spec.uuid, EventKind.STARTED), (spec.uuid, EventKind.CRASHED)]
    assert driver.info(spec.uuid).power_state is PowerState.CRASHED


def test_the_console_shows_the_addresses_and_each_boot(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path)
    nic = Nic.from_vif({"id": "0b5c3a52-1111-2222-3333-444455556666", "address": "fa:16:3e:00:00:01", "index": 0,
                        "network": {"bridge": "br100", "mtu": 1450}, "ips": [{"address": "10.0.0.5"}]})
    spec = guest(nics=(nic,))
    driver.spawn(spec)
    driver.reboot(spec.uuid, "HARD")
    log = driver.console_log(spec.uuid)
    assert nic.device == "tap0b5c3a52-11"
    assert "eth0: fa:16:3e:00:00:01 10.0.0.5" in log
    assert "boot 1" in log and "boot 2" in log
    assert driver.console_log(spec.uuid, 1).strip() == "web--1 login:"
    assert driver.console_log(spec.uuid, 0) == ""


def test_a_line_that_a_dying_process_wrote_in_part_is_ignored(tmp_path: pathlib.Path) -> None:
    first = make(tmp_path)
    first.spawn(guest())
    with (tmp_path / "fake" / "host1" / "guests.journal").open("ab") as f:
        f.write(b'{"uuid": "half')
    second = make(tmp_path)
    second.spawn(guest())
    assert len(make(tmp_path).list()) == 2


def test_the_journal_does_not_grow_without_end(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path)
    kept = guest()
    driver.spawn(kept)
    for _ in range(COMPACT_AFTER):
        driver.reboot(kept.uuid, "HARD")
        driver.power_off(kept.uuid)
    journal = tmp_path / "fake" / "host1" / "guests.journal"
    assert len(journal.read_bytes().splitlines()) <= COMPACT_AFTER + 3
    assert make(tmp_path).info(kept.uuid).power_state is PowerState.SHUTDOWN


def test_a_driver_that_is_not_started_says_so(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path)
    driver.stop()
    with pytest.raises(errors.Unavailable, match="not started"):
        driver.spawn(guest())


def test_the_digest_moves_with_the_host_and_not_with_its_guests(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path)
    before = driver.inventory()
    driver.spawn(guest())
    after = driver.inventory()
    assert (before.running_guests, after.running_guests) == (0, 1)
    assert before.digest() == after.digest()
    assert before.digest() != make(tmp_path / "other", vcpus=7).inventory().digest()


def test_a_driver_may_be_started_again(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path)
    seen: list[LifecycleEvent] = []
    driver.listen(seen.append)
    driver.stop()
    driver.start()
    driver.spawn(guest())
    driver.stop()
    assert [e.kind for e in seen] == [EventKind.STARTED]


def test_many_spawns_at_a_time_never_take_more_than_there_is(tmp_path: pathlib.Path) -> None:
    driver = make(tmp_path, memory_mb=10 * 128)
    refused: list[str] = []

    def spawn() -> None:
        try:
            driver.spawn(guest())
        except errors.HostFailure as e:
            refused.append(e.message)

    tasks = [concurrency.spawn(spawn) for _ in range(16)]
    assert all(t.join(120) for t in tasks)
    assert (len(driver.list()), len(refused)) == (10, 6)


def test_under_the_simulation_a_killed_host_comes_back_with_what_it_had(tmp_path: pathlib.Path) -> None:
    """The spawn dies between its two halves; the host's next life sees the half and makes it whole."""
    sim = simulation.Simulation(seed=7)
    spec = guest(uuid="6d1f0b9c-0000-4000-8000-000000000001")
    states: list[PowerState] = []

    def first_life() -> None:
        driver = make(tmp_path)
        driver.knobs.slow("spawn", 5.0)
        driver.spawn(spec)

    def both_lives() -> None:
        with sim.node("host1"):
            concurrency.spawn(first_life)
        concurrency.sleep(2)
        sim.kill("host1")
        driver = make(tmp_path)
        states.append(driver.info(spec.uuid).power_state)
        driver.spawn(spec)
        states.append(driver.info(spec.uuid).power_state)

    with concurrency.using(sim):
        sim.run(both_lives)
        sim.close()
    assert states == [PowerState.SHUTDOWN, PowerState.RUNNING]


def test_an_unknown_driver_is_a_configuration_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.ConfigError, match="compute_driver = 'xen' is unknown; use one of: fake, libvirt"):
        registry.load("xen", cfg.ConfigOpts(), "h", tmp_path)


def test_another_distribution_may_bring_a_driver(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[nova.virt.drivers]\nacme = nova.virt.fake.driver:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.names() == ["acme", "fake", "libvirt"]
    conf = cfg.ConfigOpts()
    conf([], project="nova", default_config_files=[])
    assert isinstance(registry.load("acme", conf, "h", tmp_path), FakeDriver)


def test_a_guest_is_told_of_its_cards(tmp_path: pathlib.Path) -> None:
    first = make(tmp_path)
    spec = guest()
    first.spawn(spec)
    for nics in ((), (NIC,), (NIC,)):
        first.inject_network_info(spec.uuid, nics)
        assert [nic["address"] for nic in first.guests.all()[0].nics] == [nic.address for nic in nics]
    with pytest.raises(errors.NotFound):
        first.inject_network_info(concurrency.uuid4(), (NIC,))
    assert [nic["address"] for nic in make(tmp_path).guests.all()[0].nics] == [NIC.address]
