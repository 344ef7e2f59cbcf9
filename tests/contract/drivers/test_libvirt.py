# SPDX-License-Identifier: Apache-2.0
"""What the libvirt driver makes on the host, and what it does when the host is not as it should be."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import libvirt
import pytest
from lxml import etree

from nova import errors
from nova.virt.libvirt import ownership
from nova.virt.types import EventKind, LifecycleEvent, PowerState
from tests.contract.drivers.conftest import BRIDGE
from tests.contract.drivers.harness import Harness, eventually, serve_image
from tests.services import tinyguest
from tests.services.files import FileServer
from tests.services.libvirtd import Libvirtd

pytestmark = pytest.mark.root
GIB = 1 << 30


def qemu_img_info(path: pathlib.Path) -> dict[str, Any]:
    done = subprocess.run(["qemu-img", "info", "--force-share", "--output=json", "-f", "qcow2", path],
                          check=True, capture_output=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def document(libvirtd: Libvirtd, uuid: str) -> Any:
    conn = libvirt.open(libvirtd.uri)
    try:
        return etree.fromstring(conn.lookupByUUIDString(uuid).XMLDesc(0))
    finally:
        conn.close()


def files_of(host: Harness, uuid: str) -> list[str]:
    """But for the one that tells which host has them."""
    return sorted(set(os.listdir(host.state / "instances" / uuid)) - {ownership.FILE})


def test_disks_lie_over_one_base_and_have_the_flavors_size(host_with_two: tuple[Harness, Any, list[Any]],
                                                           file_server: FileServer) -> None:
    host, driver, guests = host_with_two
    bases = [p for p in (host.state / "instances" / "_base").iterdir() if not p.suffix]
    assert len(bases) == 1
    for guest, size in zip(guests, (1, 3), strict=True):
        found = qemu_img_info(host.state / "instances" / guest.uuid / "disk")
        assert (found["format"], found["virtual-size"]) == ("qcow2", size * GIB)
        assert found["full-backing-filename"] == str(bases[0])
        assert found["backing-filename-format"] == "qcow2"
    assert host.image is not None
    assert [p for p, _ in file_server.requests].count("/" + host.image.url.rpartition("/")[2]) == 1
    assert driver.prune_images(-10) == []
    for guest in guests:
        driver.destroy(guest.uuid, guest.name)
    assert driver.prune_images(-10) == [bases[0].name]
    assert not bases[0].exists()


@pytest.fixture
def host_with_two(libvirt_host: Harness, file_server: FileServer) -> tuple[Harness, Any, list[Any]]:
    file_server.requests.clear()
    driver = libvirt_host.open()
    guests = [libvirt_host.guest(), libvirt_host.guest(root_gb=3, ephemeral_gb=2, swap_mb=512)]
    for guest in guests:
        driver.spawn(guest)
    return libvirt_host, driver, guests


def test_ephemeral_and_swap_disks(host_with_two: tuple[Harness, Any, list[Any]], libvirtd: Libvirtd) -> None:
    host, driver, (small, large) = host_with_two
    assert files_of(host, small.uuid) == ["console.log", "disk", "disk.info"]
    assert files_of(host, large.uuid) == ["console.log", "disk", "disk.ephemeral", "disk.info", "disk.swap"]
    directory = host.state / "instances" / large.uuid
    assert qemu_img_info(directory / "disk.ephemeral")["virtual-size"] == 2 * GIB
    assert qemu_img_info(directory / "disk.swap")["virtual-size"] == GIB // 2
    assert document(libvirtd, large.uuid).xpath("devices/disk/target/@dev") == ["vda", "vdb", "vdc"]
    driver.destroy(large.uuid, large.name)
    assert not directory.exists()


def test_its_card_is_a_tap_of_the_given_name_on_the_bridge(libvirt_host: Harness, netns: str) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest()
    driver.spawn(guest)
    done = subprocess.run(["ip", "-n", netns, "-j", "link", "show", "master", BRIDGE], check=True,
                          capture_output=True, timeout=120)
    taps = {link["ifname"]: link["mtu"] for link in json.loads(done.stdout)}
    assert taps == {guest.nics[0].device: 1450}
    driver.power_off(guest.uuid)
    done = subprocess.run(["ip", "-n", netns, "link", "show", guest.nics[0].device], capture_output=True, timeout=120,
                          check=False)
    assert done.returncode != 0


@pytest.mark.parametrize("left", ["nothing", "a draft", "a disk"])
def test_a_spawn_goes_on_where_a_dead_process_left_it(libvirt_host: Harness, left: str) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest()
    directory = libvirt_host.state / "instances" / guest.uuid
    directory.mkdir()
    if left == "a draft":
        (directory / "disk.new").write_bytes(b"half")
    if left == "a disk":
        driver.spawn(guest)
        driver.hypervisor.connection.domain(guest.uuid, lambda dom: (dom.destroy(), dom.undefine()))
    assert driver.list() == [guest.uuid]
    driver.spawn(guest)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    assert files_of(libvirt_host, guest.uuid) == ["console.log", "disk", "disk.info"]


def test_a_guest_that_libvirt_forgot_is_made_again_on_its_disk(libvirt_host: Harness) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest()
    driver.spawn(guest)
    disk = driver.hypervisor.directory(guest.uuid) / "disk"
    inode = disk.stat().st_ino
    driver.hypervisor.connection.domain(guest.uuid, lambda dom: (dom.destroy(), dom.undefine()))
    with pytest.raises(errors.NotFound):
        driver.power_on(guest.uuid)
    driver.recreate(dataclasses.replace(guest, image=None))
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    assert disk.stat().st_ino == inode


def test_what_a_dead_spawn_left_is_seen_and_removed(libvirt_host: Harness) -> None:
    driver = libvirt_host.open()
    guest = libvirt_host.guest()
    (libvirt_host.state / "instances" / guest.uuid).mkdir()
    assert driver.exists(guest.uuid)
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == []


@pytest.mark.parametrize(("kind", "reason"), [
    ("backing", "it has a backing file"), ("raw", "said to be qcow2, but its content is raw"),
    ("large", "no more than 1073741824 fit here"),
])
def test_a_bad_image_is_refused_and_no_other_host_is_asked(libvirt_host: Harness, file_server: FileServer,
                                                          tmp_path: pathlib.Path, kind: str, reason: str) -> None:
    path = file_server.directory / f"bad-{kind}"
    options = {"backing": ["-f", "qcow2", "-F", "raw", "-b", "/etc/hostname", "-u", str(path), "1M"],
               "raw": ["-f", "raw", str(path), "1M"], "large": ["-f", "qcow2", str(path), "2G"]}[kind]
    subprocess.run(["qemu-img", "create", "-q", *options], check=True, timeout=60)
    assert libvirt_host.image is not None
    image = dataclasses.replace(libvirt_host.image, id=f"bad-{kind}", url=file_server.url(f"bad-{kind}"), size=None,
                                hash_value=None)
    driver = libvirt_host.open()
    guest = libvirt_host.guest(image=image)
    with pytest.raises(errors.HostFailure, match=reason) as caught:
        driver.spawn(guest)
    assert caught.value.details["retry"] is False
    driver.destroy(guest.uuid, guest.name)
    assert driver.list() == []
    left = [p.name for p in (libvirt_host.state / "instances" / "_base").iterdir() if p.suffix != ".lock"]
    assert left == []


def test_a_base_kept_raw(libvirt_host: Harness, file_server: FileServer) -> None:
    driver = libvirt_host.open(base_image_format="raw")
    guest = libvirt_host.guest(image=serve_image(file_server, "tiny.vmdk", "vmdk"))
    driver.spawn(guest)
    found = qemu_img_info(libvirt_host.state / "instances" / guest.uuid / "disk")
    assert found["backing-filename-format"] == "raw"
    eventually(lambda: tinyguest.GREETING in driver.console_log(guest.uuid))


def test_a_clean_stop_is_clean_and_a_deaf_guest_is_cut_off(libvirt_host: Harness) -> None:
    driver, seen = _listened_to(libvirt_host)
    obedient, deaf = libvirt_host.guest(), libvirt_host.guest(image=None)
    for guest in (obedient, deaf):
        driver.spawn(guest)
    eventually(lambda: tinyguest.GREETING in driver.console_log(obedient.uuid))
    driver.power_off(obedient.uuid, 60)
    driver.power_off(deaf.uuid, 0.5)
    assert _reason(driver, obedient.uuid) == libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN
    assert _reason(driver, deaf.uuid) == libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED


def _reason(driver: Any, uuid: str) -> int:
    state, reason = driver.hypervisor.connection.domain(uuid, lambda dom: dom.state())
    assert state == libvirt.VIR_DOMAIN_SHUTOFF
    return int(reason)


def test_a_killed_qemu_is_told_as_a_crash(libvirt_host: Harness) -> None:
    driver, seen = _listened_to(libvirt_host)
    guest = libvirt_host.guest()
    driver.spawn(guest)
    _signal_qemu(guest.name, signal.SIGKILL)
    eventually(lambda: EventKind.CRASHED in [e.kind for e in seen])
    assert driver.info(guest.uuid).power_state is PowerState.CRASHED
    driver.power_on(guest.uuid)
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING


def _signal_qemu(name: str, number: signal.Signals) -> None:
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"guest={name},debug-threads=on".encode() in words:
                os.kill(int(entry.name), number)
                return
    raise AssertionError(f"no QEMU runs {name}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_daemon_costs_nothing(libvirt_host: Harness, libvirtd: Libvirtd,
                                               number: signal.Signals) -> None:
    driver, seen = _listened_to(libvirt_host)
    guest = libvirt_host.guest()
    driver.spawn(guest)
    libvirtd.stop_daemon(number)
    with pytest.raises(errors.Unavailable):
        driver.info(guest.uuid)
    libvirtd.start_daemon()
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    seen.clear()
    driver.power_off(guest.uuid)
    # A guest that ends before its daemon has found it again is said to have crashed.
    eventually(lambda: {EventKind.STOPPED, EventKind.CRASHED} & {e.kind for e in seen})


def _listened_to(host: Harness) -> tuple[Any, list[LifecycleEvent]]:
    """A driver, and what it tells from now on."""
    driver = host.open()
    seen: list[LifecycleEvent] = []
    driver.listen(seen.append)
    return driver, seen


def test_events_come_back_without_anybody_calling(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    driver, seen = _listened_to(libvirt_host)
    guest = libvirt_host.guest()
    driver.spawn(guest)
    libvirtd.stop_daemon()
    libvirtd.start_daemon()
    connection = driver.hypervisor.connection
    eventually(lambda: connection._conn is not None and connection._conn.isAlive())
    other = libvirt.open(libvirtd.uri)
    other.lookupByUUIDString(guest.uuid).destroy()
    other.close()
    eventually(lambda: EventKind.STOPPED in [e.kind for e in seen])


def test_a_guest_that_died_unseen_is_told_once_its_daemon_is_back(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    """A daemon that begins tells nothing of guests that it does not find again, so they are looked at."""
    driver, seen = _listened_to(libvirt_host)
    dead, alive = libvirt_host.guest(), libvirt_host.guest()
    for guest in (dead, alive):
        driver.spawn(guest)
    eventually(lambda: [e.kind for e in seen].count(EventKind.STARTED) == 2)
    libvirtd.stop_daemon()
    seen.clear()
    _signal_qemu(dead.name, signal.SIGKILL)
    libvirtd.start_daemon()
    eventually(lambda: (dead.uuid, EventKind.CRASHED) in [(e.uuid, e.kind) for e in seen])
    assert driver.info(alive.uuid).power_state is PowerState.RUNNING
    assert alive.uuid not in [e.uuid for e in seen]


def test_a_guest_that_ends_before_its_daemon_has_found_it_again_is_told(libvirt_host: Harness,
                                                                        libvirtd: Libvirtd) -> None:
    """libvirtd answers while it still looks for its guests; one that is ended meanwhile ends without an event."""
    driver, seen = _listened_to(libvirt_host)
    guest = libvirt_host.guest()
    driver.spawn(guest)
    libvirtd.stop_daemon()
    _signal_qemu(guest.name, signal.SIGSTOP)  # it does not answer the daemon
    libvirtd.start_daemon()
    assert driver.info(guest.uuid).power_state is PowerState.RUNNING
    seen.clear()
    _signal_qemu(guest.name, signal.SIGKILL)
    eventually(lambda: seen and driver.info(guest.uuid).power_state is not PowerState.RUNNING)
    assert {(e.uuid, e.kind) for e in seen} <= {(guest.uuid, EventKind.STOPPED), (guest.uuid, EventKind.CRASHED)}


def test_a_driver_that_was_stopped_hears_nothing(libvirt_host: Harness) -> None:
    former, driver = libvirt_host.open(), libvirt_host.open()
    heard: list[LifecycleEvent] = []
    seen: list[LifecycleEvent] = []
    former.listen(heard.append)
    driver.listen(seen.append)
    former.stop()
    libvirt_host.opened.remove(former)
    guest = libvirt_host.guest()
    driver.spawn(guest)
    eventually(lambda: seen)
    driver.destroy(guest.uuid, guest.name)
    eventually(lambda: EventKind.STOPPED in [e.kind for e in seen])
    assert heard == []


def test_guests_of_others_are_left_alone(libvirt_host: Harness, libvirtd: Libvirtd) -> None:
    """Neither a domain made by hand nor one of a second cloud on the same daemon is ours, also if names are equal."""
    neighbour = Harness("libvirt", libvirt_host.state / "neighbour", libvirt_host.overrides, "", libvirt_host.image,
                        BRIDGE)
    neighbour.state.mkdir()
    theirs, ours = neighbour.open(), libvirt_host.open()
    their_guest, our_guest = neighbour.guest(name="instance-00000001"), libvirt_host.guest(name="instance-00000001")
    byhand = libvirt.open(libvirtd.uri)
    dom = byhand.defineXML("<domain type='qemu'><name>byhand</name><memory>32768</memory>"
                           "<os><type>hvm</type></os></domain>")
    try:
        theirs.spawn(their_guest)
        ours.spawn(our_guest)
        assert ours.list() == [our_guest.uuid]
        assert theirs.list() == [their_guest.uuid]
        assert ours.info(our_guest.uuid).name == f"instance-00000001-{our_guest.uuid[:8]}"
        assert ours.inventory().running_guests == 1
    finally:
        neighbour.close()
        dom.undefine()
        byhand.close()


def test_what_it_says_of_the_host(libvirt_host: Harness) -> None:
    found = libvirt_host.open().inventory()
    total = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    assert (found.hypervisor_type, found.memory_mb, found.vcpus) == ("QEMU", total, os.cpu_count())
    assert found.local_gb == shutil.disk_usage(libvirt_host.state).total // GIB
    assert found.cpu_info["arch"] == "x86_64" and found.cpu_info["topology"]["cores"] >= 1
    assert ("x86_64", "qemu", "hvm") in found.supported_instances
    assert {kind for _, kind, _ in found.supported_instances} == {"qemu"}
    assert "COMPUTE_NET_VIF_MODEL_VIRTIO" in found.traits


@pytest.mark.parametrize(("options", "message"), [
    ({"connection_uri": "qemu+unix:///system?socket=/nowhere"},
     r"libvirt.connection_uri = qemu\+unix:///system\?socket=/nowhere: .* Start libvirtd"),
    ({"cpu_mode": "custom"}, "libvirt.cpu_mode = custom needs libvirt.cpu_models"),
    ({"instances_path": "/proc/none"}, "libvirt.instances_path = /proc/none cannot be made"),
])
def test_a_start_that_cannot_be(libvirt_host: Harness, options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ConfigError, match=message):
        libvirt_host.open(**options)


def test_guests_of_a_user_of_their_own(libvirt_host: Harness, netns: str, public_directory: pathlib.Path) -> None:
    """As distributions set libvirt up. The user must get to the disks, and nobody else to the console."""
    with Libvirtd(netns, as_installed=True) as installed:
        overrides = {"libvirt": {**libvirt_host.overrides["libvirt"], "connection_uri": installed.uri}}
        host = dataclasses.replace(libvirt_host, state=public_directory, overrides=overrides, opened=[])
        public_directory.chmod(0o700)
        with pytest.raises(errors.ConfigError, match=f"may not pass through {public_directory}. Run `chmod o"):
            host.open()
        public_directory.chmod(0o711)
        driver = host.open()
        try:
            guest = host.guest()
            driver.spawn(guest)
            eventually(lambda: tinyguest.GREETING in driver.console_log(guest.uuid))
            directory = public_directory / "instances" / guest.uuid
            assert (directory / "disk").stat().st_uid != os.getuid()
            assert (directory / "console.log").stat().st_mode & 0o777 == 0o640
        finally:
            host.close()
        assert not directory.exists()


@pytest.fixture
def public_directory() -> Iterator[pathlib.Path]:
    """Not below pytest's own directories: every session that starts closes those to other users."""
    with tempfile.TemporaryDirectory(prefix="nova-public-") as path:
        yield pathlib.Path(path)
