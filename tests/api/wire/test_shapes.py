# SPDX-License-Identifier: Apache-2.0
"""What counts as a difference between a body and a shape."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.wire.shapes import differences

SERVER = {"id": "text", "host": "null", "size": "number|null", "fault?": {"code": "number"}, "tags": [],
          "links": [{"rel": "text"}], "metadata": {"*": "any"}}
GOOD: dict[str, Any] = {"id": "x", "host": None, "size": None, "tags": ["a"], "links": [{"rel": "self"}],
                        "metadata": {"k": "v"}}


@pytest.mark.parametrize(("change", "found"), [
    ({}, []), ({"host": "h"}, []), ({"size": 3}, []), ({"fault": {"code": 1}}, []), ({"links": []}, []),
    ({"size": True}, ["server.size is bool, not number|null"]), ({"id": None}, ["server.id is null, not text"]),
    ({"id": []}, ["server.id is object or list, not text"]), ({"new": 1}, ["server has new"]),
    ({"fault": {}}, ["server.fault lacks code"]), ({"links": {}}, ["server.links is no list: {}"]),
    ({"links": [{"rel": "x"}, {}]}, ["server.links[1] lacks rel"]),
    ({"metadata": 1}, ["server.metadata is no object: 1"]),
])
def test_differences(change: dict[str, Any], found: list[str]) -> None:
    assert list(differences(SERVER, GOOD | change, "server")) == found


def test_what_is_missing() -> None:
    assert list(differences({"a": "text", "b?": "text"}, {})) == ["body lacks a"]
    assert list(differences({"*": {"a": "text"}}, {"x": {"a": "1"}, "y": {}})) == ["body.y lacks a"]
