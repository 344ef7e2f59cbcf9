# SPDX-License-Identifier: Apache-2.0
"""Network interfaces through netlink: bridges with their gateway address, and taps. No packet filter is here."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from nova import concurrency, errors

_ARP, _BROADCAST = 0x0806, b"\xff" * 6
_REQUEST = bytes.fromhex("0001" "0800" "06" "04" "0001")  # Ethernet, IPv4, their lengths, request


@dataclasses.dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge as it has to be. ``gateway`` has its prefix length; ``uplink`` joins it to other hosts."""

    name: str
    mac: str
    gateway: str
    mtu: int = 1500
    uplink: str | None = None


@contextlib.contextmanager
def _netlink(what: str) -> Iterator[Any]:
    try:
        with IPRoute() as ipr:
            yield ipr
    except NetlinkError as e:
        raise errors.HostFailure(f"{what}: {e.args[1] if len(e.args) > 1 else e}", errno=e.code) from e
    except OSError as e:
        raise errors.HostFailure(f"{what}: {e.strerror}", errno=e.errno) from e


def _index(ipr: Any, name: str) -> int | None:
    found = ipr.link_lookup(ifname=name)
    return int(found[0]) if found else None


def exists(name: str) -> bool:
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def ensure_bridge(bridge: Bridge) -> None:
    """Make the bridge be there, up, with the gateway's address. What it has beside that stays."""
    concurrency.offload(_ensure_bridge, bridge)


def _ensure_bridge(bridge: Bridge) -> None:
    with _netlink(f"bridge {bridge.name}") as ipr:
        index = _index(ipr, bridge.name) or _add_bridge(ipr, bridge)
        info = next(iter(ipr.get_links(index))).get_attr("IFLA_LINKINFO")
        if info is None or info.get_attr("IFLA_INFO_KIND") != "bridge":
            raise errors.HostFailure(f"{bridge.name} exists, but it is not a bridge.")
        ipr.link("set", index=index, address=bridge.mac, mtu=bridge.mtu, state="up")
        wanted = ipaddress.ip_interface(bridge.gateway)
        addresses = ipr.get_addr(index=index, family=socket.AF_INET)
        present = {(a.get_attr("IFA_ADDRESS"), a["prefixlen"]) for a in addresses}
        if (str(wanted.ip), wanted.network.prefixlen) not in present:
            ipr.addr("add", index=index, address=str(wanted.ip), prefixlen=wanted.network.prefixlen,
                     broadcast=str(wanted.network.broadcast_address))
        if bridge.uplink:
            _join_uplink(ipr, index, bridge)


def _add_bridge(ipr: Any, bridge: Bridge) -> int:
    try:
        ipr.link("add", ifname=bridge.name, kind="bridge", br_stp_state=0, br_forward_delay=0)
    except NetlinkError as e:
        if e.code != errno.EEXIST:
            raise
    index = _index(ipr, bridge.name)
    if index is None:
        raise errors.HostFailure(f"Bridge {bridge.name} was removed while it was being made.")
    return index


def _join_uplink(ipr: Any, master: int, bridge: Bridge) -> None:
    name = str(bridge.uplink)
    index = _index(ipr, name)
    if index is None:
        raise errors.ConfigError(f"network.flat_interface: this host has no interface {name}; name one that exists, or "
                                 "leave the option unset")
    if list(ipr.get_addr(index=index, family=socket.AF_INET)):
        raise errors.ConfigError(f"network.flat_interface: {name} has an address, which would be cut off; name an "
                                 "interface that serves guests alone")
    ipr.link("set", index=index, master=master, state="up")


def put_addresses(name: str, addresses: frozenset[str], owner: str) -> None:
    """Of all addresses of the interface that carry ``owner`` as their label, it has exactly these; others stay.

    Neighbours are told of new ones.
    """
    concurrency.offload(_put_addresses, name, addresses, owner)


def _put_addresses(name: str, addresses: frozenset[str], owner: str) -> None:
    with _netlink(f"addresses of {name}") as ipr:
        index = _index(ipr, name)
        if index is None:
            raise errors.ConfigError(f"network.public_interface: this host has no interface {name}; name one that is "
                                     "there")
        found = {str(a.get_attr("IFA_LOCAL")) for a in ipr.get_addr(index=index, family=socket.AF_INET)
                 if a.get_attr("IFA_LABEL") == owner}
        for address in sorted(found - addresses):
            _ignoring(errno.EADDRNOTAVAIL, ipr.addr, "del", index=index, address=address, prefixlen=32)
        for address in sorted(addresses - found):
            _ignoring(errno.EEXIST, ipr.addr, "add", index=index, address=address, prefixlen=32, label=owner)
        mac = next(iter(ipr.get_links(index))).get_attr("IFLA_ADDRESS")
        if mac and int(mac.replace(":", ""), 16):
            _announce(name, bytes.fromhex(mac.replace(":", "")), sorted(addresses - found))


def _announce(name: str, mac: bytes, addresses: list[str]) -> None:
    """ARP requests of an address for itself (RFC 5227, section 3): whoever knows another owner learns this one."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as raw:
        raw.bind((name, _ARP))
        for address in addresses:
            own = ipaddress.IPv4Address(address).packed
            raw.send(_BROADCAST + mac + _ARP.to_bytes(2, "big") + _REQUEST + mac + own + bytes(6) + own)


def remove(name: str) -> None:
    """Remove an interface; not there is fine."""
    concurrency.offload(_remove, name)


def _remove(name: str) -> None:
    with _netlink(f"interface {name}") as ipr:
        index = _index(ipr, name)
        if index is not None:
            _ignoring(errno.ENODEV, ipr.link, "del", index=index)


def _ignoring(code: int, call: Any, *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except NetlinkError as e:
        if e.code != code:
            raise


def attach(name: str, bridge: str, mtu: int | None = None) -> None:
    """Make an interface a port of the bridge, and bring it up."""
    concurrency.offload(_attach, name, bridge, mtu)


def _attach(name: str, bridge: str, mtu: int | None) -> None:
    with _netlink(f"interface {name}") as ipr:
        index, master = _index(ipr, name), _index(ipr, bridge)
        if index is None or master is None:
            raise errors.HostFailure(f"There is no interface {name if index is None else bridge}.")
        extra = {"mtu": mtu} if mtu else {}
        ipr.link("set", index=index, master=master, state="up", **extra)


def detach(name: str) -> None:
    """Take an interface off its bridge, so that nothing passes it any more; not there is fine."""
    if exists(name):
        concurrency.offload(_detach, name)


def _detach(name: str) -> None:
    with _netlink(f"interface {name}") as ipr:
        index = _index(ipr, name)
        if index is not None:
            _ignoring(errno.ENODEV, ipr.link, "set", index=index, master=0)


def ports(bridge: str) -> set[str]:
    """Names of the bridge's ports."""
    return concurrency.offload(_ports, bridge)


def _ports(bridge: str) -> set[str]:
    with _netlink(f"bridge {bridge}") as ipr:
        master = _index(ipr, bridge)
        if master is None:
            return set()
        return {link.get_attr("IFLA_IFNAME") for link in ipr.get_links() if link.get_attr("IFLA_MASTER") == master}
