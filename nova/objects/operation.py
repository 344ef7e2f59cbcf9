# SPDX-License-Identifier: Apache-2.0
"""What somebody asked to have done to a server: the durable row, as far as its runner on a host needs it."""

from __future__ import annotations

from nova.objects.base import Json, NovaObject, register


@register
class Operation(NovaObject):
    """``level`` is api, cell or host:H; ``actor`` is the context as plain data, without any token."""

    uuid: str
    instance_uuid: str
    project_id: str | None
    seq: int
    action: str
    workflow_version: int = 1
    request_id: str | None
    actor: Json = {}
    inputs: Json = {}
    state: str
    level: str
    step: str | None
    step_data: Json = {}
    attempt: int = 0
    owner: str | None
    epoch: int
    due_at: float | None
    deadline: float | None
    progress: int | None
    fault: Json
    signals: Json = []
    created_at: float | None
    updated_at: float | None
