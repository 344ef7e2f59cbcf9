# SPDX-License-Identifier: Apache-2.0
"""Packet filters of guests: nothing leaves a tap under a false name, nothing enters that was not allowed.

Two tables of our own. Family ``bridge`` binds each tap to its hardware and network addresses, in both directions.
Family ``inet``, which bridged packets pass by br_netfilter, knows connections: a packet to a guest's address goes
through that guest's chain, which lets answers in, then what its rules allow, and drops the rest. (Connection tracking
in family bridge would need NF_CONNTRACK_BRIDGE, which many kernels lack.)

Guests are elements of sets and one chain each, so adding or removing one touches no other; the current state is read
from the kernel at the start, and only differences are sent, in one transaction.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from nova import concurrency, errors
from nova.host.net.nft import ACCEPT, DROP, ESTABLISHED, Json, Nft, Table, concat, field, jump, match, meta, prefix

LOG = logging.getLogger(__name__)
_FIRST = -300  # before br_netfilter and the filters of others
_DHCP_REQUEST = [match(field("udp", "sport"), 68), match(field("udp", "dport"), 67)]
_DHCP_REPLY = [match(field("udp", "sport"), 67), match(field("udp", "dport"), 68)]
#: Protocols that the kernel's tools know by number only, wherever there is no /etc/protocols.
_NUMBERS: dict[str, int] = {"ah": 51, "egp": 8, "esp": 50, "gre": 47, "igmp": 2, "ipip": 4, "ipv6-icmp": 58, "ospf": 89,
                            "pgm": 113, "rsvp": 46, "vrrp": 112} | {str(n): n for n in range(256)}
_ARP = match({"meta": {"key": "protocol"}}, "arp")


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """What may enter: packets of a protocol (None: all), to these ports, from this range (None: everywhere).

    ``ports`` of ICMP are type and code; a code of None is any.
    """

    protocol: str | None = None
    ports: tuple[int, int | None] | None = None
    source: str | None = None

    def expressions(self) -> list[Json]:
        parts = [match(field("ip", "saddr"), prefix(self.source))] if self.source else []
        if self.protocol == "icmp" and self.ports:
            kind, code = self.ports
            parts.append(match(field("icmp", "type"), kind))
            parts += [match(field("icmp", "code"), code)] if code is not None else []
        elif self.protocol and self.ports:
            low, high = self.ports
            parts.append(match(field(self.protocol, "dport"), low if low == high else {"range": [low, high]}))
        elif self.protocol:
            parts.append(match(meta("l4proto"), _NUMBERS.get(self.protocol, self.protocol)))
        return [*parts, ACCEPT]


@dataclasses.dataclass(frozen=True, slots=True)
class Guard:
    """The filter of one tap."""

    device: str
    mac: str
    addresses: tuple[str, ...]
    ingress: tuple[Rule, ...] = ()

    def digest(self) -> str:
        return hashlib.sha256(orjson.dumps([dataclasses.asdict(r) for r in self.ingress])).hexdigest()[:16]


@dataclasses.dataclass(frozen=True, slots=True)
class _State:
    """What the kernel holds for one tap."""

    macs: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()  # addresses that lead to the tap's chain
    tap: bool = False
    digest: str | None = None  # of the rules in its chain; None: no chain

    @classmethod
    def of(cls, guard: Guard) -> _State:
        addresses = frozenset(guard.addresses)
        return cls(frozenset([guard.mac]), addresses, addresses, True, guard.digest())


class Filters:
    """The filters of all guests of one nova-network. Safe to use by several tasks at a time."""

    def __init__(self, nft: Nft, table: str = "nova") -> None:
        self._nft = nft
        self._bridge, self._inet = Table("bridge", table), Table("inet", table)
        self._lock = concurrency.Lock()
        self._state: dict[str, _State] | None = None

    def prepare(self, uplinks: Iterable[str] = ()) -> None:
        """Make the frame that guests are put into; guests that are there already keep their rules."""
        with self._lock:
            self._load()
            frame = self._frame(sorted(set(uplinks)))
            digest = hashlib.sha256(orjson.dumps(frame)).hexdigest()[:16]
            if not self.intact(digest):
                head = self._bridge.rule("prerouting", match(meta("iifname"), "@taps"), jump("leave"), comment=digest)
                self._nft.apply([*frame, head])

    def intact(self, digest: str | None = None) -> bool:
        """Whether our frame is in the kernel still (the one with this digest)."""
        inet = [o for o in self._nft.table("inet", self._inet.name) if o.get("rule", {}).get("chain") == "output"]
        comments = [o["rule"].get("comment") for o in self._nft.table("bridge", self._bridge.name)
                    if o.get("rule", {}).get("chain") == "prerouting"]
        known = comments[-1] if comments else None
        return len(inet) == 2 and known is not None and (digest is None or known == digest)

    def devices(self) -> set[str]:
        """Taps that have a filter."""
        with self._lock:
            return set(self._known())

    def macs(self, device: str) -> frozenset[str]:
        """Hardware addresses that a tap may use, as far as its filter says."""
        with self._lock:
            return self._known().get(device, _State()).macs

    def reload(self) -> None:
        """Forget what we believe about the kernel and read it anew."""
        with self._lock:
            self._load()

    def apply(self, changes: Mapping[str, Guard | None]) -> None:
        """Give these taps their filters, or take them away (None), in one transaction; repeating it does nothing."""
        with self._lock:
            try:
                self._send(changes)
            except errors.HostFailure as e:
                LOG.warning("the kernel's filters are not what they were (%s); reading them again", e)
                self._load()
                self._send(changes)

    def teardown(self) -> None:
        """Remove our tables; guests that still run are without filters then."""
        with self._lock:
            self._nft.apply([*self._bridge.delete(), *self._inet.delete()])
            self._state = {}

    def _known(self) -> dict[str, _State]:
        return self._load() if self._state is None else self._state

    def _send(self, changes: Mapping[str, Guard | None]) -> None:
        known = self._known()
        commands: list[Json] = []
        after: dict[str, _State] = {}
        for device, guard in changes.items():
            after[device] = _State.of(guard) if guard else _State()
            commands += self._difference(device, known.get(device, _State()), after[device], guard)
        try:
            self._nft.apply(_ordered(commands))
        except errors.HostFailure:
            self._state = None
            raise
        known.update(after)
        for device in [d for d in changes if after[d] == _State()]:
            known.pop(device)

    def _difference(self, device: str, old: _State, new: _State, guard: Guard | None) -> list[Json]:
        commands: list[Json] = []
        if guard and old.digest != new.digest:
            commands += self._chain(guard)
        for table, name, before, now in (
            (self._bridge, "macs", _pairs(device, old.macs), _pairs(device, new.macs)),
            (self._bridge, "ips", _pairs(device, old.addresses), _pairs(device, new.addresses)),
            (self._bridge, "taps", [device] * old.tap, [device] * new.tap),
            (self._inet, "ingress", _verdicts(device, old.entries), _verdicts(device, new.entries)),
        ):
            commands += table.elements("delete", name, [e for e in before if e not in now])
            commands += table.elements("add", name, [e for e in now if e not in before])
        if not guard and old.digest is not None:
            commands += [self._inet.flush(device), self._inet.drop_chain(device)]
        return commands

    def _chain(self, guard: Guard) -> list[Json]:
        rule = self._inet.rule
        return [
            self._inet.chain(guard.device), self._inet.flush(guard.device),
            rule(guard.device, ESTABLISHED, ACCEPT, comment=guard.digest()),
            *(rule(guard.device, *r.expressions()) for r in guard.ingress),
            rule(guard.device, DROP),
        ]

    def _frame(self, uplinks: list[str]) -> list[Json]:
        """Sets, base chains and their rules. The rule that sends taps to ``leave`` is added last, with the digest."""
        b, i = self._bridge, self._inet
        chains = [b.chain("prerouting", "prerouting", _FIRST), b.chain("forward", "forward", _FIRST),
                  b.chain("output", "output", _FIRST), b.chain("leave"), b.chain("enter"), b.chain("uplink"),
                  i.chain("forward", "forward"), i.chain("output", "output")]
        return [
            b.add(), i.add(), b.set("taps", "ifname"), b.set("macs", ["ifname", "ether_addr"]),
            b.set("ips", ["ifname", "ipv4_addr"]), b.set("gateways", "ipv4_addr"), i.map("ingress", "ipv4_addr"),
            *chains,
            *(b.flush(c) for c in ("prerouting", "forward", "output", "leave", "enter", "uplink")),
            *(i.flush(c) for c in ("forward", "output")),
            *self._leave(), *self._enter(), *self._uplink(uplinks),
            i.rule("forward", {"vmap": {"key": field("ip", "daddr"), "data": "@ingress"}}),
            i.rule("output", *_DHCP_REPLY, ACCEPT),
            i.rule("output", {"vmap": {"key": field("ip", "daddr"), "data": "@ingress"}}),
        ]

    def _leave(self) -> list[Json]:
        """What a guest may send: under its own addresses, ARP and IPv4; requests for DHCP, never answers."""
        rule, name = self._bridge.rule, meta("iifname")
        return [
            rule("leave", match(concat(name, field("ether", "saddr")), "@macs", "!="), DROP),
            rule("leave", match(concat(name, field("arp", "saddr ether")), "@macs"),
                 match(concat(name, field("arp", "saddr ip")), "@ips"), ACCEPT),
            rule("leave", match(concat(name, field("arp", "saddr ether")), "@macs"),
                 match(field("arp", "saddr ip"), "0.0.0.0"), ACCEPT),  # noqa: S104 - asks if an address is free
            rule("leave", _ARP, DROP),
            rule("leave", match(field("ip", "saddr"), "0.0.0.0"), *_DHCP_REQUEST, ACCEPT),  # noqa: S104
            rule("leave", match(field("udp", "sport"), 67), DROP),
            rule("leave", match(concat(name, field("ip", "saddr")), "@ips"), ACCEPT),
            rule("leave", DROP),
        ]

    def _enter(self) -> list[Json]:
        """What may reach a tap at all: ARP, packets to its addresses, and this host's DHCP answers."""
        rule, name = self._bridge.rule, meta("oifname")
        return [
            rule("enter", _ARP, ACCEPT),
            rule("enter", match(concat(name, field("ip", "daddr")), "@ips"), ACCEPT),
            rule("enter", DROP),
            rule("forward", match(name, "@taps"), jump("enter")),
            rule("output", match(name, "@taps"), *_DHCP_REPLY, ACCEPT),
            rule("output", match(name, "@taps"), jump("enter")),
        ]

    def _uplink(self, uplinks: list[str]) -> list[Json]:
        """Every host is the gateway and DHCP server of its own guests; between hosts neither may be heard."""
        rule = self._bridge.rule
        rules = [rule("uplink", match(field("arp", f"{end} ip"), "@gateways"), DROP) for end in ("saddr", "daddr")]
        rules += [rule("uplink", *pair, DROP) for pair in (_DHCP_REQUEST, _DHCP_REPLY)]
        for name in uplinks:
            rules.append(rule("prerouting", match(meta("iifname"), name), jump("uplink")))
            rules += [rule(c, match(meta("oifname"), name), jump("uplink")) for c in ("forward", "output")]
        return rules

    def _load(self) -> dict[str, _State]:
        seen = _Seen()
        for item in self._nft.table("bridge", self._bridge.name):
            seen.set(item.get("set", {}))
        for item in self._nft.table("inet", self._inet.name):
            seen.map(item.get("map", {}))
            seen.rule(item.get("rule", {}))
        self._state = seen.states()
        return self._state


class _Seen:
    """Collects what the kernel's listing says of each tap."""

    def __init__(self) -> None:
        self._macs: dict[str, set[str]] = {}
        self._addresses: dict[str, set[str]] = {}
        self._entries: dict[str, set[str]] = {}
        self._taps: set[str] = set()
        self._digests: dict[str, str] = {}

    def set(self, found: Json) -> None:
        elements = found.get("elem", [])
        if found.get("name") == "taps":
            self._taps.update(elements)
        elif found.get("name") in ("macs", "ips"):
            into = self._macs if found["name"] == "macs" else self._addresses
            for element in elements:
                device, value = element["concat"]
                into.setdefault(device, set()).add(value)

    def map(self, found: Json) -> None:
        for address, verdict in found.get("elem", []):
            self._entries.setdefault(verdict["goto"]["target"], set()).add(address)

    def rule(self, found: Json) -> None:
        """Only chains of taps, and the two nat chains, have rules with a comment in this table."""
        if found.get("comment") and found["chain"] not in ("prerouting", "postrouting"):
            self._digests.setdefault(found["chain"], found["comment"])

    def states(self) -> dict[str, _State]:
        devices = {*self._macs, *self._addresses, *self._entries, *self._taps, *self._digests}
        return {d: _State(frozenset(self._macs.get(d, ())), frozenset(self._addresses.get(d, ())),
                          frozenset(self._entries.get(d, ())), d in self._taps, self._digests.get(d)) for d in devices}


def _pairs(device: str, values: Iterable[str]) -> list[Json]:
    return [{"concat": [device, v]} for v in sorted(values)]


def _verdicts(device: str, addresses: Iterable[str]) -> list[Any]:
    return [[a, {"goto": {"target": device}}] for a in sorted(addresses)]


def _ordered(commands: list[Json]) -> list[Json]:
    """Deletes of elements first: an address that moves from one tap to another in one transaction is free by then."""
    def deletes(command: Json) -> bool:
        return "element" in command.get("delete", {})

    return [c for c in commands if deletes(c)] + [c for c in commands if not deletes(c)]
