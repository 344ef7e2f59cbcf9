# SPDX-License-Identifier: Apache-2.0
"""Two machines that run real guests, joined by two cables, and one cloud over both: a control plane and a host on the
first, a host on the second. They share no storage; they speak with each other over 10.77.0.0/24 (the cable ``wire0``),
and their guests over the cable ``flat0``."""

from __future__ import annotations

import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.integration.clients import OpenStackCommand, eventually
from tests.integration.daemons import Daemon, Databases, Deployment
from tests.integration.network.machines import inside, run
from tests.integration.site import Site

ADDRESSES = {"compute1": "10.77.0.1", "compute2": "10.77.0.2"}


class TwoHosts(Deployment):
    """``sites`` are the machines by the name of their host; see :func:`two_hosts`."""

    def __init__(self, sites: dict[str, Site], broker: str, databases: Databases) -> None:
        self.sites = sites
        self.cell_url = databases.cell
        first = sites["compute1"]
        super().__init__(first.directory / "cloud", broker, databases.api, databases.cell, site=first,
                         address=ADDRESSES["compute1"])
        for host, address in ADDRESSES.items():
            directory = sites[host].directory / "host"
            directory.mkdir(mode=0o755)
            self._files[host] = self._of_host(directory, host, broker, address)

    def _of_host(self, directory: Path, host: str, broker: str, address: str) -> Path:
        """Its state lies on its own machine. Guests' screens may move with them."""
        made = self._file(f"{host}-of-{host}", broker, {
            "network": {"flat_interface": "flat0"}, "libvirt": {"vnc_listen": "0.0.0.0"}},
            compute_driver="libvirt", my_ip=address)
        text = made.read_text().replace(str(self.directory / f"{host}-of-{host}"), str(directory))
        made.write_text(text.replace(f"host = {host}-of-{host}", f"host = {host}"))
        return made

    def set_up(self, bridge: str = "br100", cidr: str = "10.123.0.0/20", *, step_by_step: bool = False) -> None:
        super().set_up(bridge, cidr, step_by_step=step_by_step)
        self.manage("host", "enroll", "compute2", "--output", self.directory / "compute2-keys")
        shutil.copytree(self.directory / "compute1" / "keys", self.sites["compute1"].directory / "host" / "keys")
        shutil.copytree(self.directory / "compute2-keys", self.sites["compute2"].directory / "host" / "keys")

    def start(self, **options: Any) -> None:
        super().start(**options)
        for service in ("nova-network", "nova-compute"):
            self.start_on("compute2", service)
        eventually(self._known, "both hosts are in their cell")
        eventually(lambda: self.providers() == len(ADDRESSES), "both hosts have told what they have", 120)

    def _known(self) -> bool:
        found = self.manage("cell_v2", "list_hosts")
        if all(host in found for host in ADDRESSES):
            return True
        self.manage("cell_v2", "discover_hosts")
        return False

    def start_on(self, host: str, service: str) -> None:
        """Start a service of the second host; of the first they are among ``daemons`` under their own names."""
        site = self.sites[host]
        name = f"{service}@{host}"
        if name in self.daemons:
            self.daemons.pop(name).close()
        self.daemons[name] = Daemon(name, ["--config-file", str(self._files[host])], self.directory, site, on_host=True)
        self.daemons[name].start()
        self.daemons[name].listen("READY=1", 240)

    def daemon(self, host: str, service: str) -> Daemon:
        return self.daemons[service if host == "compute1" else f"{service}@{host}"]

    def kill_host(self, host: str) -> None:
        """The power fails: its services and guests are gone at once."""
        for service in ("nova-compute", "nova-network"):
            self.daemon(host, service).signal(signal.SIGKILL)
        for guest in self.sites[host].domains():
            if (pid := self.sites[host].qemu_pid(guest)) is not None:
                self.sites[host].run("kill", "-9", str(pid), ok=False)

    # -- what there is on a host ---------------------------------------------------------------------------------------

    def instances(self, host: str) -> Path:
        return self.sites[host].directory / "host" / "instances"

    def files(self, host: str) -> list[str]:
        """Of guests: their directories and whatever else is not shared by all."""
        there = self.instances(host)
        return sorted(p.name for p in there.iterdir()
                      if p.name != "_base" and not p.name.endswith(".lock")) if there.is_dir() else []

    def where(self) -> dict[str, list[str]]:
        """Host → guests that its hypervisor knows."""
        return {host: sorted(site.domains()) for host, site in self.sites.items()}

    def qemu_io(self, host: str, guest: str, *words: str) -> str:
        """To a disk that nobody uses now."""
        return self.sites[host].run("qemu-io", "-f", "qcow2", "-c", " ".join(words),
                                    str(self.instances(host) / guest / "disk"))


@contextmanager
def two_hosts(rabbitmq: Any, server: Any) -> Iterator[TwoHosts]:
    """The cloud, started, with nothing in it but what nova-manage makes. ``server`` is the database server."""
    tag = uuid.uuid4().hex[:8]
    with ExitStack() as stack:
        sites = {host: Site(listen=address, hostname=host) for host, address in ADDRESSES.items()}
        for site in sites.values():
            stack.callback(site.close)
        _cable(sites)
        for site in sites.values():
            site.libvirtd.start()
            site.forward(rabbitmq.port)
        databases, vhost = Databases(server, tag, server.through_file), f"two-hosts-{tag}"
        stack.callback(databases.drop)
        broker = rabbitmq.create_vhost(vhost)
        stack.callback(rabbitmq.delete_vhost, vhost)
        deployment = TwoHosts(sites, broker, databases)
        stack.callback(deployment.close)
        deployment.set_up(f"br{tag[:6]}")
        deployment.start()
        yield deployment


def _cable(sites: dict[str, Site]) -> None:
    one, other = (sites[host].machine.name for host in ADDRESSES)
    for cable in ("wire0", "flat0"):
        run("ip", "-n", one, "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", other)
    for host, address in ADDRESSES.items():
        name = sites[host].machine.name
        run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "wire0")
        run("ip", "-n", name, "link", "set", "wire0", "up")


class Users:
    """What is done with the cloud, by its administrator, on the first machine."""

    def __init__(self, deployment: TwoHosts) -> None:
        self.deployment = deployment
        self.cli = OpenStackCommand(deployment.write_clouds(), "admin", deployment.sites["compute1"])

    def add_image(self, path: Path) -> None:
        self.cli("image", "create", "--disk-format", "qcow2", "--file", str(path), "--public", "small")

    def boot(self, name: str, host: str = "compute1") -> str:
        """A server whose guest asks for a login."""
        uuid_: str = self.cli("server", "create", "--flavor", "m1.nano", "--image", "small", "--host", host,
                              "--os-compute-api-version", "2.74", name)["id"]
        self.wait(uuid_, "ACTIVE")
        self.wait_boots(uuid_, 1)
        return uuid_

    def show(self, server: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cli("server", "show", server)
        return found

    def wait(self, server: str, status: str) -> dict[str, Any]:
        def there() -> Any:
            found = self.show(server)
            assert status == "ERROR" or found["status"] != "ERROR", (
                f"{found.get('fault')}\n{self.deployment.complaints()}")
            return found["status"] == status and found["OS-EXT-STS:task_state"] is None and found

        try:
            found: dict[str, Any] = eventually(there, f"{server} is {status}")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.deployment.complaints()}") from None
        return found

    def console(self, server: str) -> str:
        return self.cli.text("console", "log", "show", server)

    def wait_boots(self, server: str, number: int) -> None:
        eventually(lambda: self.console(server).count("guest login:") >= number, f"boot {number} of {server}")

    def delete(self, server: str) -> None:
        self.cli.text("server", "delete", "--wait", server)


__all__ = ["ADDRESSES", "TwoHosts", "Users", "inside", "two_hosts"]
