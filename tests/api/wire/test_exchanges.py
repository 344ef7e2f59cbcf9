# SPDX-License-Identifier: Apache-2.0
"""The answers of the Compute API have the status, the headers, the members and the kinds that Nova's have.

``exchanges.jsonl`` was taken once from whole exchanges with a running Nova 34.0.0 (fake driver, no network or volume
service): the requests, and of each answer the shape. ``samples.jsonl`` has shapes of single answers at the microversion
that changed them last. Every other difference than the ones listed here is a failure, and so is one that is listed and
not there any more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.wire import cloud, replay

#: Actions that our fake hosts declare they cannot do, and what they are refused with.
_LACKING = {
    # What undoes or ends them is then refused for the state that the server is in.
}
_BOTH = {name: [f"status {status}"] for name, status in _LACKING.items()} | {
    # The list of versions has a request id like every other answer.
    "root-versions": ["header x-compute-request-id is new", "header x-openstack-request-id is new"],
}
#: What a look at a server finds that is being deleted depends on who is faster.
_PERHAPS = {"server-show-deleting": ["status 404"]}
#: Exchange → how what we answer begins to differ.
KNOWN: dict[str, dict[str, list[str]]] = {
    "samples": {},
    "2.1": _BOTH | {
        # The request says neither a type nor has it a body; it was sent as a form then. The route begins with 2.26.
        "tag-add": ["status 404"],
        # Network cards are called otherwise.
        "server-diagnostics": ["body lacks vnet1_", "body has tap"],
        # There a search for a missing service failed.
        "volumes-proxy": ["status 503"],
        # Our fake hosts know their uptime.
        "hypervisor-uptime": ["status 200"],
    },
    "2.104": _BOTH | {
        "tag-add": ["status 201"], "tag-check": ["status 204"], "tag-delete": ["status 204"],
    },
}


@pytest.mark.parametrize("session", ["2.1", "2.104", "samples"])
def test_answers_have_the_shape_of_nova_s(tmp_path: Path, session: str) -> None:
    found: dict[str, list[str]] = {}
    exchanges = replay.load(session)
    assert len(exchanges) > 100
    with cloud.running(tmp_path) as running:
        again = replay.Replay(running, newest=session != "2.1")
        for exchange in exchanges:
            if differences := list(again.differences(exchange)):
                found[exchange.name] = differences
    known = KNOWN[session] | _PERHAPS
    new = {name: differences for name, differences in found.items()
           if not all(any(d.startswith(begin) for begin in known.get(name, ())) for d in differences)}
    assert new == {}
    assert set(KNOWN[session]) <= set(found), "these are as Nova's now"
