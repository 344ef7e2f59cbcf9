# SPDX-License-Identifier: Apache-2.0
"""How long a live block migration takes, from the request to its end, beside `virsh migrate` of a guest of the same
kind between the same hosts in the same direction; and how long guests stand still. First a guest whose disk is empty,
then one with something on it. Ours begins when the request is sent and ends when all is done and recorded; nothing of
the guest is at its source then, but that a large disk, which has left its place, may yet be on its way out (how long is
told). virsh's is its process, from beginning to end, with the same flags; its disk at the destination is made before,
that at the source is left. Who goes first changes from run to run. Run by hand (``RUNS`` in the environment: how
often), nothing is asserted about times:

    pytest -s tests/integration/measure_live_migration.py
"""

from __future__ import annotations

import os
import statistics
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
import sqlalchemy as sa
from lxml import etree

from nova.db.engine import normal_url
from tests.integration.clients import eventually, sdk
from tests.integration.twohosts import ADDRESSES, TwoHosts, Users, inside, two_hosts
from tests.services import session

pytestmark = pytest.mark.root
RUNS = int(os.environ.get("RUNS", "5"))
#: Seconds before each: a guest that has just moved keeps a processor busy for a while.
REST = 3.0
HOSTS = tuple(ADDRESSES)


@pytest.fixture(scope="module")
def cloud(rabbitmq: Any) -> Iterator[TwoHosts]:
    with two_hosts(rabbitmq, session.shared("postgresql")) as deployment:
        yield deployment


class Bare:
    """A guest like one of the cloud's, known to libvirt only."""

    def __init__(self, cloud: TwoHosts, like: str, load: int) -> None:
        self.cloud, self.name, self.id = cloud, "bare", str(uuid.uuid4())
        self.root = cloud.sites["compute1"].domain_xml(like)
        self.like = like
        self.base = Path(self.root.find("devices/disk/backingStore/source").get("file")).name
        self._make_disk("compute1")
        fill(cloud, "compute1", self.place("compute1") / "disk", load)
        with cloud.sites["compute1"].hypervisor() as conn:
            conn.createXML(self.document("compute1"), 0)
        eventually(lambda: "guest login:" in (self.place("compute1") / "console.log").read_text(errors="replace"),
                   "the bare guest has booted")

    def place(self, host: str) -> Path:
        return self.cloud.sites[host].directory / "bare"

    def _make_disk(self, host: str) -> None:
        place = self.place(host)
        place.mkdir(mode=0o777, exist_ok=True)
        place.chmod(0o777)
        (place / "disk").unlink(missing_ok=True)
        (place / "console.log").touch()
        base = self.cloud.instances(host) / "_base" / self.base
        self.cloud.sites[host].run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, place / "disk",
                                   "1G")
        (place / "disk").chmod(0o666)

    def document(self, host: str) -> str:
        root = etree.fromstring(etree.tostring(self.root))
        root.find("name").text, root.find("uuid").text = self.name, self.id
        for entry in root.iterfind("sysinfo/system/entry"):
            if entry.get("name") in ("uuid", "serial"):
                entry.text = self.id
        root.remove(root.find("metadata"))
        root.attrib.pop("id", None)
        for tag in ("seclabel", "resource"):
            for node in root.findall(tag):
                root.remove(node)
        disk = root.find("devices/disk")
        for chain in disk.findall("backingStore"):
            disk.remove(chain)
        disk.find("source").attrib.clear()
        disk.find("source").set("file", str(self.place(host) / "disk"))
        for log in root.iterfind("devices/*/log"):
            log.set("file", str(self.place(host) / "console.log"))
        for channel in root.iterfind("devices/channel"):
            for source in channel.findall("source"):
                channel.remove(source)
        nic = root.find("devices/interface")
        nic.find("mac").set("address", "52:54:00:00:00:77")
        nic.find("target").set("dev", "tapbare")
        return etree.tostring(root, encoding="unicode")

    def migrate(self, source: str, target: str) -> tuple[float, int]:
        """Seconds, and milliseconds that it stood still."""
        self._make_disk(target)
        document = self.place(source) / "there.xml"
        document.write_text(self.document(target))
        site = self.cloud.sites[source]
        began = time.monotonic()
        site.run("virsh", "-c", "qemu:///system", "migrate", "--live", "--p2p", "--copy-storage-inc", "--persistent",
                 "--undefinesource", "--migrateuri", f"tcp://{ADDRESSES[target]}",
                 "--xml", document, "--persistent-xml", document, self.name,
                 f"qemu+tcp://{ADDRESSES[target]}/system")
        return time.monotonic() - began, stood_still(self.cloud, target, self.id)


def fill(cloud: TwoHosts, host: str, disk: Path, load: int) -> None:
    """So many MiB on the disk of a guest that is off, behind its file system."""
    if load:
        cloud.sites[host].run("qemu-io", "-f", "qcow2", "-c", f"write -P 7 300M {load}M", disk)


def stood_still(cloud: TwoHosts, host: str, guest: str) -> int:
    with cloud.sites[host].hypervisor() as conn:
        stats = conn.lookupByUUIDString(guest).jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    return int(stats.get("downtime", 0))


def ours(cloud: TwoHosts, api: Any, database: sa.Engine, server: str, target: str) -> tuple[float, int, str]:
    sent = time.time()
    with inside(cloud.sites["compute1"].machine):
        answer = api.compute.post(f"/servers/{server}/action", microversion="2.80", json={
            "os-migrateLive": {"host": target, "block_migration": "auto"}})
    assert answer.status_code == 202, answer.text
    query = sa.text("SELECT uuid, state, created_at, finished_at, fault FROM operations WHERE instance_uuid = :s AND "
                    "action = 'live-migration' ORDER BY seq DESC LIMIT 1")

    def over() -> Any:
        with database.connect() as conn:
            row = conn.execute(query, {"s": server}).one()
        return row if row.finished_at else None

    row = eventually(over, "it has ended")
    assert row.state == "done", row.fault
    with database.connect() as conn:
        steps = conn.execute(sa.text("SELECT event, started_at, finished_at FROM operation_steps "
                                     "WHERE operation_uuid = :o ORDER BY id"), {"o": row.uuid}).all()
    told = " ".join(f"{s.event}=+{s.started_at - sent:.2f}/{s.finished_at - s.started_at:.2f}" for s in steps)
    eventually(lambda: not cloud.files(HOSTS[target == HOSTS[0]]), "what it left is removed", pause=0.02)
    return row.finished_at - sent, stood_still(cloud, target, server), f"{told} removed=+{time.time() - sent:.2f}"


@pytest.fixture(scope="module")
def admin(cloud: TwoHosts, guest_image: Path) -> Users:
    users = Users(cloud)
    users.add_image(guest_image)
    return users


@pytest.mark.parametrize("load", [0, 600], ids=["empty disk", "600 MiB on its disk"])
def test_beside_virsh(cloud: TwoHosts, admin: Users, load: int) -> None:
    server = admin.boot("ours")
    if load:
        admin.cli.text("server", "stop", server)
        admin.wait(server, "SHUTOFF")
        fill(cloud, "compute1", cloud.instances("compute1") / server / "disk", load)
        admin.cli.text("server", "start", server)
        admin.wait(server, "ACTIVE")
        admin.wait_boots(server, 2)
    database = sa.create_engine(normal_url(cloud.cell_url))
    with inside(cloud.sites["compute1"].machine):
        api = sdk(cloud.write_clouds(), "admin")
        api.authorize()
    for target in ("compute2", "compute1"):  # so that both hosts have the image
        ours(cloud, api, database, server, target)
    bare = Bare(cloud, server, load)
    with_us, alone = [], []
    for number in range(RUNS):
        source, target = HOSTS if number % 2 == 0 else HOSTS[::-1]
        for who in ("virsh", "ours") if number % 4 < 2 else ("ours", "virsh"):  # both first in either direction
            time.sleep(REST)
            if who == "virsh":
                seconds, still = bare.migrate(source, target)
                alone.append((seconds, still))
            else:
                total, ours_still, steps = ours(cloud, api, database, server, target)
                with_us.append((total, ours_still))
        print(f"run {number + 1}: virsh {seconds:.2f} s, downtime {still} ms; ours {total:.2f} s, downtime "
              f"{ours_still} ms, load {os.getloadavg()[0]:.1f}\n    {steps}", flush=True)
    database.dispose()
    for name, runs in (("virsh", alone), ("ours", with_us)):
        print(f"{name}: median {statistics.median(s for s, _ in runs):.2f} s, downtime "
              f"{min(d for _, d in runs)}–{max(d for _, d in runs)} ms")
    more = statistics.median(s for s, _ in with_us) / statistics.median(s for s, _ in alone) - 1
    print(f"ours takes {100 * more:+.0f} % ({load} MiB on the disk)")
    with cloud.sites[HOSTS[RUNS % 2]].hypervisor() as conn:
        domain = conn.lookupByUUIDString(bare.id)
        domain.destroy()
        domain.undefine()
    admin.delete(server)
