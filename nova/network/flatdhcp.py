# SPDX-License-Identifier: Apache-2.0
"""FlatDHCP on Linux: per network a bridge that is its guests' gateway, a dnsmasq on it, translation to the outside.

Another topology (VLAN, VXLAN) is another :meth:`FlatDHCP._bridge`; filters, DHCP and translation stay the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import logging
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from oslo_config import cfg

import nova
from nova import concurrency, errors
from nova.host import files
from nova.host.net import filters, forwarding, links, nat
from nova.host.net.dnsmasq import Dnsmasq, Host, Service, Settings
from nova.host.net.nft import Nft
from nova.network.batch import Batch
from nova.network.floating import FloatingAddresses
from nova.network.leases import Leases, LeaseSocket
from nova.network.plumbing import Document, LeaseListener

LOG = logging.getLogger(__name__)
_SCRIPT = """#!{python} -E
import sys
sys.path.insert(0, {root!r})
from nova.cmd.dhcpbridge import main
sys.exit(main())
"""


class FlatDHCP:
    """The data plane of one host. What it made survives it; :meth:`prepare` takes it over again."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf.network
        self._directory = pathlib.Path(self._conf.networks_path).absolute()
        self._socket: LeaseSocket | None = None
        nft = Nft(self._conf.command_timeout)
        self._filters = filters.Filters(nft, self._conf.table)
        self._nat = nat.Nat(nft, self._outside(), self._conf.table)
        self._batch: Batch[str, filters.Guard | None] = Batch(self._filters.apply)
        self._lock = concurrency.Lock()
        self._network_locks: dict[str, Any] = {}
        self._networks: dict[str, Document] = {}
        self._ensured: dict[str, Document] = {}
        self._dhcp: dict[str, Dnsmasq] = {}
        self._ports: dict[str, Document] = {}
        self._floating = FloatingAddresses(self._directory / "floating.json", self._conf.public_interface or "lo",
                                           self._conf.table)
        self._settings = Settings(self._directory, "", str(self._directory / "leases.sock"), self._conf.dnsmasq_user,
                                  self._conf.dnsmasq_config_file, self._conf.command_timeout)

    def prepare(self, lease: LeaseListener) -> None:
        for program in ("nft", "dnsmasq"):
            if shutil.which(program) is None:
                raise errors.ConfigError(f"network.manager: the program {program} is not installed; install it, or set "
                                         "the option to 'none'")
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        forwarding.enable()
        self._filters.prepare([self._conf.flat_interface] if self._conf.flat_interface else [])
        self._settings = dataclasses.replace(self._settings, script=self._script())
        self._socket = LeaseSocket(pathlib.Path(self._settings.socket), Leases(self._serves, lease).handle)
        self._socket.start()
        self._floating.load()
        for file in sorted(self._directory.glob("*/network.json")):
            network = orjson.loads(file.read_bytes())
            self._networks[network["id"]] = network
            self._dhcp[network["id"]] = Dnsmasq(self._settings, self._service(network))

    def intact(self) -> bool:
        with self._lock:
            ensured = [(n["bridge"], self._dhcp[uuid]) for uuid, n in self._ensured.items()]
        if self._filters.intact() and all(links.exists(b) and dhcp.pid() is not None for b, dhcp in ensured):
            return True
        with self._lock:
            self._ensured.clear()
            self._ports.clear()
        self._filters.prepare([self._conf.flat_interface] if self._conf.flat_interface else [])
        return False

    def devices(self) -> set[str]:
        return self._filters.devices()

    def networks(self) -> list[Document]:
        with self._lock:
            return list(self._networks.values())

    def ensure_network(self, network: Document) -> None:
        if self._ensured.get(network["id"]) == network:
            return
        with self._network_lock(network["id"]):
            if self._ensured.get(network["id"]) == network:
                return
            self._bridge(network)
            with self._lock:
                self._networks[network["id"]] = network
            self._translate()
            dhcp = Dnsmasq(self._settings, self._service(network))
            dhcp.ensure()
            files.write_atomic(self._directory / network["bridge"] / "network.json", orjson.dumps(network))
            with self._lock:
                self._dhcp[network["id"]] = dhcp
                self._ensured[network["id"]] = network

    def remove_network(self, network: Document, unused: Callable[[], bool]) -> None:
        with self._network_lock(network["id"]):
            if not unused():
                return
            with self._lock:
                self._networks.pop(network["id"], None)
                self._ensured.pop(network["id"], None)
                dhcp = self._dhcp.pop(network["id"], None)
            if dhcp is not None:
                dhcp.stop()
            self._translate()
            links.remove(network["bridge"])

    def apply(self, add: Sequence[Document], remove: Iterable[str]) -> None:
        changed = [vif for vif in add if self._ports.get(vif["device"]) != vif]
        gone = {device: self._filters.macs(device) for device in remove}
        for device in gone:
            links.detach(device)
        guards: dict[str, filters.Guard | None] = dict.fromkeys(gone)
        guards |= {vif["device"]: _guard(vif) for vif in changed}
        self._batch.submit(guards)
        for vif in changed:
            self._serve(vif)
        for device, macs in gone.items():
            self._forget(device, macs)
        if self._floating.change(changed, gone):
            self._translate()

    def stop(self) -> None:
        if self._socket is not None:
            self._socket.stop()

    def teardown(self) -> None:
        self._floating.clear()
        for network in self.networks():
            self.remove_network(network, lambda: True)
        self._filters.teardown()
        self.stop()

    def _serve(self, vif: Document) -> None:
        dhcp = self._dhcp[vif["network"]["id"]]
        for ip in vif["ips"][:1]:
            dhcp.add(Host(vif["address"], ip["address"], vif.get("hostname")))
        with self._lock:
            self._ports[vif["device"]] = vif

    def _serves(self, mac: str, address: str) -> bool:
        with self._lock:
            services = list(self._dhcp.values())
        return any(dhcp.serves(mac, address) for dhcp in services)

    def _forget(self, device: str, macs: frozenset[str]) -> None:
        """DHCP serves the port no more. Of one that a former process set up only what the filters said is known."""
        with self._lock:
            vif = self._ports.pop(device, None)
            services = list(self._dhcp.values())
        for mac in macs | ({vif["address"]} if vif else set()):
            for dhcp in services:
                dhcp.remove(mac)

    def _bridge(self, network: Document) -> None:
        length = ipaddress.ip_network(network["cidr"]).prefixlen
        gateway = f"{network['gateway']}/{length}"
        links.ensure_bridge(links.Bridge(network["bridge"], gateway_mac(network["id"]), gateway, network["mtu"],
                                         self._conf.flat_interface))

    def _translate(self) -> None:
        networks = self.networks()
        self._nat.apply({nat.Subnet(n["bridge"], n["cidr"]) for n in networks}, {n["gateway"] for n in networks},
                        self._floating.ensure())

    def _outside(self) -> nat.Outside:
        conf = self._conf
        metadata = (conf.metadata_host, conf.metadata_port) if conf.metadata_host else None
        source = str(conf.routing_source_ip) if conf.routing_source_ip else None
        return nat.Outside(conf.snat, conf.public_interface, source, metadata)

    def _service(self, network: Document) -> Service:
        dns = network["dns"] or [str(server) for server in self._conf.dns_servers]
        return Service(network["bridge"], network["cidr"], network["gateway"], network["mtu"],
                       int(network.get("lease_time") or self._conf.dhcp_lease_time), tuple(dns), self._conf.dhcp_domain)

    def _network_lock(self, uuid: str) -> Any:
        with self._lock:
            return self._network_locks.setdefault(uuid, concurrency.Lock())

    def _script(self) -> str:
        """The program that dnsmasq runs; where the package is not installed, a script that finds it."""
        beside = pathlib.Path(sys.executable).with_name("nova-dhcpbridge")
        if self._conf.dhcpbridge or beside.exists():
            path = pathlib.Path(self._conf.dhcpbridge or beside)
            if not path.exists():
                raise errors.ConfigError(f"network.dhcpbridge: there is no program {path}; name nova-dhcpbridge's path")
            return str(path)
        root = str(pathlib.Path(nova.__path__[0]).parent.resolve())
        path = self._directory / "nova-dhcpbridge"
        files.write_atomic(path, _SCRIPT.format(python=sys.executable, root=root), mode=0o755)
        return str(path)


def gateway_mac(network_id: str) -> str:
    """The same on every host, so that a guest that moves finds its gateway where it was."""
    digest = hashlib.sha256(network_id.encode()).digest()
    return "fa:16:3f:" + ":".join(f"{b:02x}" for b in digest[:3])


def _guard(vif: Document) -> filters.Guard | None:
    if not vif.get("port_security", True):
        return None
    rules = tuple(filters.Rule(r.get("protocol"), tuple(r["ports"]) if r.get("ports") else None, r.get("source"))
                  for r in vif.get("ingress", ()))
    return filters.Guard(vif["device"], vif["address"], tuple(ip["address"] for ip in vif["ips"]), rules)
