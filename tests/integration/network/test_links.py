# SPDX-License-Identifier: Apache-2.0
"""Bridges and taps of our own, made, repeated and removed in a real namespace."""

from __future__ import annotations

import json

import pytest

from nova import errors
from nova.host.net import links, taps
from tests.integration.network.machines import Machine

pytestmark = pytest.mark.root
BRIDGE = links.Bridge("br7", "fa:16:3f:00:00:01", "10.7.0.1/24", 1400)


def test_bridge_is_as_it_has_to_be(host: Machine) -> None:
    for _ in range(2):
        links.ensure_bridge(BRIDGE)
    [found] = json.loads(host.run("ip", "-d", "-j", "addr", "show", "br7"))
    assert (found["address"], found["mtu"], "UP" in found["flags"]) == (BRIDGE.mac, 1400, True)
    assert [(a["local"], a["prefixlen"]) for a in found["addr_info"] if a["family"] == "inet"] == [("10.7.0.1", 24)]
    assert (found["linkinfo"]["info_data"]["stp_state"], found["linkinfo"]["info_data"]["forward_delay"]) == (0, 0)
    for _ in range(2):
        links.remove("br7")
    assert not links.exists("br7")


def test_tap_is_a_port_until_it_is_detached(host: Machine) -> None:
    links.ensure_bridge(BRIDGE)
    for _ in range(2):
        taps.ensure("tap0", "br7", 1400, owner=65534)
    assert links.ports("br7") == {"tap0"}
    [found] = json.loads(host.run("ip", "-d", "-j", "link", "show", "tap0"))
    assert (found["mtu"], found["linkinfo"]["info_data"]["type"]) == (1400, "tap")
    for _ in range(2):
        links.detach("tap0")
    assert links.ports("br7") == set() and links.exists("tap0")
    for _ in range(2):
        taps.remove("tap0")
    assert not links.exists("tap0")


def test_what_cannot_be_done_says_why(host: Machine) -> None:
    host.run("ip", "link", "add", "br7", "type", "veth", "peer", "name", "other")
    with pytest.raises(errors.HostFailure, match="br7 exists, but it is not a bridge"):
        links.ensure_bridge(BRIDGE)
    with pytest.raises(errors.HostFailure, match="no interface br8"):
        taps.ensure("tap0", "br8")
    with pytest.raises(errors.HostFailure, match="no interface tap9"):
        links.attach("tap9", "br7")
