# SPDX-License-Identifier: Apache-2.0
"""Only differences are sent to the kernel, in one transaction; what it lost is read anew and sent again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from nova import errors
from nova.host.net.filters import Filters, Guard, Rule
from nova.host.net.nft import Json, Nft

A = Guard("tapa", "fa:16:3e:00:00:01", ("10.0.0.2",))


class Kernel(Nft):
    """The edge of the process: keeps transactions, and shows the listing it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[list[Json]] = []
        self.listing: dict[str, list[Json]] = {"bridge": [], "inet": []}
        self.refusals = 0

    def apply(self, commands: Sequence[Json]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise errors.HostFailure("nft: No such file or directory")
        if commands:
            self.sent.append(list(commands))

    def table(self, family: str, name: str) -> list[Json]:
        return self.listing[family]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def verbs(transaction: list[Json]) -> list[tuple[str, str]]:
    return [(verb, next(iter(body))) for command in transaction for verb, body in command.items()]


def test_repeat_sends_nothing(kernel: Kernel) -> None:
    filters = Filters(kernel)
    for _ in range(2):
        filters.apply({"tapa": A})
    assert len(kernel.sent) == 1 and filters.devices() == {"tapa"}
    for _ in range(2):
        filters.apply({"tapa": None, "unknown": None})
    assert len(kernel.sent) == 2 and filters.devices() == set()
    assert verbs(kernel.sent[1]) == [("delete", "element")] * 4 + [("flush", "chain"), ("delete", "chain")]


def test_change_of_rules_touches_nothing_but_the_chain(kernel: Kernel) -> None:
    filters = Filters(kernel)
    filters.apply({"tapa": A})
    opened = Guard(A.device, A.mac, A.addresses, (Rule("tcp", (22, 22), "10.1.0.0/16"), Rule("udp", (1, 9)), Rule()))
    filters.apply({"tapa": opened})
    assert verbs(kernel.sent[1]) == [("add", "chain"), ("flush", "chain"), *[("add", "rule")] * 5]
    assert {c["add"]["rule"]["chain"] for c in kernel.sent[1][2:]} == {"tapa"}


def test_protocols_other_than_tcp_and_udp() -> None:
    def said(*rule: Any) -> list[Any]:
        return [(e["match"]["left"], e["match"]["right"]) for e in Rule(*rule).expressions() if "match" in e]

    kind, code = ({"payload": {"protocol": "icmp", "field": f}} for f in ("type", "code"))
    number = {"meta": {"key": "l4proto"}}
    assert said("icmp") == [(number, "icmp")]
    assert said("icmp", (8, None)) == [(kind, 8)]
    assert said("icmp", (3, 4)) == [(kind, 3), (code, 4)]
    assert said("gre") == said("47") == [(number, 47)]
    assert said("sctp", (7, 7)) == [({"payload": {"protocol": "sctp", "field": "dport"}}, 7)]


def test_address_that_moves_is_taken_away_first(kernel: Kernel) -> None:
    filters = Filters(kernel)
    filters.apply({"tapa": A})
    filters.apply({"tapb": Guard("tapb", "fa:16:3e:00:00:02", A.addresses), "tapa": None})
    moves = verbs(kernel.sent[1])
    elements = [verb for verb, what in moves if what == "element"]
    assert elements == ["delete"] * 4 + ["add"] * 4


def test_former_process_is_continued(kernel: Kernel) -> None:
    """What the kernel lists as set up for a tap needs no transaction, what it lists beside is removed."""
    kernel.listing = {"bridge": [
        {"set": {"name": "taps", "elem": ["tapa", "tapx"]}},
        {"set": {"name": "macs", "elem": [{"concat": ["tapa", A.mac]}]}},
        {"set": {"name": "ips", "elem": [{"concat": ["tapa", "10.0.0.2"]}, {"concat": ["tapa", "10.0.0.7"]}]}},
    ], "inet": [
        {"map": {"name": "ingress", "elem": [["10.0.0.2", {"goto": {"target": "tapa"}}]]}},
        {"rule": {"chain": "tapa", "comment": A.digest()}}, {"rule": {"chain": "postrouting", "comment": "other"}},
    ]}
    filters = Filters(kernel)
    assert filters.devices() == {"tapa", "tapx"} and filters.macs("tapa") == {A.mac}
    filters.apply({"tapa": A})
    [[command]] = kernel.sent
    assert command["delete"]["element"]["elem"] == [{"concat": ["tapa", "10.0.0.7"]}]
    filters.apply({"tapx": None})
    assert json.dumps(kernel.sent[1]).count("tapx") == 1


def test_lost_rules_are_sent_again(kernel: Kernel) -> None:
    filters = Filters(kernel)
    filters.apply({"tapa": A})
    kernel.refusals = 1
    filters.apply({"tapa": None, "tapb": Guard("tapb", "fa:16:3e:00:00:02", ())})
    assert "tapa" not in json.dumps(kernel.sent[1]) and filters.devices() == {"tapb"}
    kernel.refusals = 2
    with pytest.raises(errors.HostFailure, match="No such file"):
        filters.apply({"tapc": A})
    assert filters.devices() == set()
