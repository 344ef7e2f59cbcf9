# SPDX-License-Identifier: Apache-2.0
"""The words of a refusal."""

from __future__ import annotations

import random

from nova.scheduler import explain
from nova.scheduler.engine import Decision, decide
from tests.unit.scheduler.build import host, make_options, spec

FIRST = "No valid host was found. There are not enough hosts available."


def refused(*, down: int = 0, small: int = 0, good: int = 0) -> Decision:
    hosts = [host(f"d{n}", up=False) for n in range(down)] + [host(f"s{n}", ram=128) for n in range(small)]
    return decide(spec(), hosts + [host(f"g{n}") for n in range(good)], make_options(), random.Random(1))


def test_the_fault_tells_each_filter_and_its_count_most_first() -> None:
    assert explain.fault_message(refused(down=8, small=12)) == (
        f"{FIRST} 20 hosts considered: RAM 12 (512 MB requested, 128 MB free), "
        "compute service 8 (the service is down).")
    assert explain.fault_message(refused(small=1)) == (
        f"{FIRST} 1 host considered: RAM 1 (512 MB requested, 128 MB free).")


def test_a_cloud_without_hosts() -> None:
    assert explain.fault_message(refused()) == f"{FIRST} No compute host is known yet."


def test_the_fault_names_no_host_and_fits_the_wire() -> None:
    decision = refused(down=8, small=12)
    entry = decision.reasons["RAM"]
    many = {f"some filter with a long name {n}": entry for n in range(30)}
    for reasons in (decision.reasons, many, dict(list(many.items())[:4])):
        message = explain.fault_message(Decision(20, 0, None, (), reasons, {}, decision.ranked))
        assert message.startswith(FIRST) and len(message) <= 255
        assert "s0" not in message and "d0" not in message


def test_the_table_names_every_host_and_the_best_weights() -> None:
    assert explain.table(refused(down=1, small=2, good=2)).splitlines() == [
        "5 hosts considered, 2 passed all filters.",
        "compute service: 1 refused",
        "  d0: the service is down",
        "RAM: 2 refused",
        "  s0: 512 MB requested, 128 MB free",
        "  s1: 512 MB requested, 128 MB free",
        "Selected g0; alternates: g1",
        "  g0: weight 0.000",
        "  g1: weight 0.000",
    ]
