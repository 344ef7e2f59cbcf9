# SPDX-License-Identifier: Apache-2.0
"""The rows of operations that begin."""

from __future__ import annotations

from typing import Any

import pytest

from nova.context import RequestContext
from nova.store import beginnings
from nova.workflow.operations import SHAPES

UUID = "0e0e0e0e-0000-4000-8000-000000000001"
SERVER = {"uuid": UUID, "project_id": "p", "host": "host1", "op_seq": 4, "epoch": 9}


def test_a_row_keeps_who_asked_and_nothing_else_of_him() -> None:
    """Steps act with the rights of the service: there is no token to keep."""
    context = RequestContext(user_id="u", project_id="p", roles=("member",), request_id="req-1", user_name="Ursula",
                             remote_address="192.0.2.1", store=object())
    kept = beginnings.actor_of(context)
    assert set(kept) == {"user_id", "project_id", "roles", "is_admin", "request_id"}
    again = RequestContext.from_dict(kept)
    assert (again.user_id, again.project_id, again.roles, again.request_id) == ("u", "p", ("member",), "req-1")


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.action)
def test_the_row_of_an_operation(shape: Any) -> None:
    context = RequestContext(user_id="u", project_id="p")
    for level, host in (("api", None), ("host", "host1")):
        row = beginnings.new_row(context, shape, SERVER, seq=3, epoch=7, level=level, step=shape.steps[0].name,
                                 inputs={"type": "HARD"})
        assert (row["action"], row["workflow_version"], row["seq"], row["epoch"]) == (shape.action, shape.version, 3, 7)
        assert (row["level"], row["host"], row["step"]) == (level, host, shape.steps[0].name)
        assert row["deadline"] - row["created_at"] == shape.deadline
        assert (row["instance_uuid"], row["project_id"], row["inputs"]) == (UUID, "p", {"type": "HARD"})


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.action)
def test_the_next_operation_of_a_server_comes_after_all_others(shape: Any) -> None:
    row = beginnings.next_row(RequestContext(), shape, SERVER, level="api", inputs={})
    assert (row["seq"], row["epoch"], row["step"]) == (5, 10, shape.steps[0].name)
