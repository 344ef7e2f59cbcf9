# SPDX-License-Identifier: Apache-2.0
"""Translation between guests and the outside: their connections leave under this host's address, or under a floating
one of theirs, which leads in to them; metadata comes in."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
from collections.abc import Collection
from typing import Any

import orjson

from nova import concurrency
from nova.host.net.nft import ACCEPT, Json, Nft, Table, field, match, meta, prefix

METADATA_ADDRESS = "169.254.169.254"


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Subnet:
    """The guests behind one bridge."""

    bridge: str
    cidr: str


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Floating:
    """A public address and the guest's address that it stands for."""

    public: str
    fixed: str


@dataclasses.dataclass(frozen=True, slots=True)
class Outside:
    """How guests reach the world. ``source`` None: the address of the interface that the host's routes choose."""

    snat: bool = True
    interface: str | None = None
    source: str | None = None
    metadata: tuple[str, int] | None = None


class Nat:
    """The nat chains of one nova-network: made anew, in one transaction, when a network or floating address comes or
    goes. Connections that are there go on."""

    def __init__(self, nft: Nft, outside: Outside, table: str = "nova") -> None:
        self._nft, self._outside, self._table = nft, outside, Table("inet", table)
        self._bridge = Table("bridge", table)
        self._lock = concurrency.Lock()

    def apply(self, subnets: Collection[Subnet], gateways: Collection[str],
              floating: Collection[Floating] = ()) -> None:
        """Translate for these and no others. ``gateways`` are addresses that every host has for itself."""
        ordered = sorted(subnets)
        commands = self._commands(ordered, sorted(gateways), sorted(floating))
        digest = hashlib.sha256(orjson.dumps(commands)).hexdigest()[:16]
        with self._lock:
            if digest != self._current():
                self._nft.apply([*commands, self._table.rule("postrouting", ACCEPT, comment=digest)])

    def _current(self) -> str | None:
        rules = [o["rule"] for o in self._nft.table("inet", self._table.name) if "rule" in o]
        marks = [r.get("comment") for r in rules if r["chain"] == "postrouting"]
        return marks[-1] if marks else None

    def _commands(self, subnets: list[Subnet], gateways: list[str], floating: list[Floating]) -> list[Json]:
        table = self._table
        commands = [
            table.add(), self._bridge.add(), self._bridge.set("gateways", "ipv4_addr"),
            {"flush": {"set": {"family": "bridge", "table": self._bridge.name, "name": "gateways"}}},
            *self._bridge.elements("add", "gateways", gateways),
            table.chain("prerouting", "prerouting", -100, "nat"), table.chain("postrouting", "postrouting", 100, "nat"),
            table.chain("redirect", "output", -100, "nat"),
            table.flush("prerouting"), table.flush("postrouting"), table.flush("redirect"),
        ]
        for f in floating:
            inward: Json = {"dnat": {"family": "ip", "addr": f.fixed}}
            commands += [table.rule(chain, match(field("ip", "daddr"), f.public), inward)
                         for chain in ("prerouting", "redirect")]
            commands += [table.rule("postrouting", match(field("ip", "saddr"), f.fixed), *self._leaving(s)[1:],
                                    {"snat": {"family": "ip", "addr": f.public}})
                         for s in subnets if ipaddress.ip_address(f.fixed) in ipaddress.ip_network(s.cidr)]
        if self._outside.metadata:
            host, port = self._outside.metadata
            commands += [table.rule(
                "prerouting", match(meta("iifname"), s.bridge), match(field("ip", "daddr"), METADATA_ADDRESS),
                match(field("tcp", "dport"), 80), {"dnat": {"family": "ip", "addr": host, "port": port}},
            ) for s in subnets]
            commands += [table.rule("postrouting", match(field("ip", "daddr"), host),
                                    match(field("tcp", "dport"), port), ACCEPT)]
        if self._outside.snat:
            commands += [table.rule("postrouting", *self._leaving(s), self._translate()) for s in subnets]
        return commands

    def _leaving(self, subnet: Subnet) -> list[Json]:
        source = prefix(subnet.cidr)
        parts = [match(field("ip", "saddr"), source), match(field("ip", "daddr"), source, "!=")]
        if self._outside.interface:
            parts.append(match(meta("oifname"), self._outside.interface))
        return parts

    def _translate(self) -> Json:
        if self._outside.source:
            return {"snat": {"family": "ip", "addr": self._outside.source}}
        verdict: dict[str, Any] = {"masquerade": None}
        return verdict
