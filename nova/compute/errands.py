# SPDX-License-Identifier: Apache-2.0
"""Single steps that the API level asks a host for and records itself. They are done in the server's turn and under its
epoch, like the operations whose rows this host has: one that comes too late, or again after a later owner, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import concurrency, errors
from nova.clients.compute import ERRAND
from nova.compute.turns import Turns
from nova.objects.work import Work
from nova.workflow import Result

#: Carries out the step that a work stands at.
Act = Callable[[Work], Result]


class Errands:
    """``submit`` gives work to the host's workers; ``admit`` says whether an epoch of a server still holds here. After
    ``patience`` seconds nobody waits any more."""

    def __init__(self, turns: Turns, submit: Callable[..., None], admit: Callable[[str, int], bool],
                 patience: float = ERRAND) -> None:
        self._turns, self._submit, self._admit, self._patience = turns, submit, admit, patience

    def run(self, work: Work, act: Act) -> dict[str, Any]:
        """What came of it. Unavailable when it takes so long that nobody waits for it any more: it may yet be done."""
        operation, ended, given_up = work.operation, concurrency.Event(), concurrency.Event()
        answer: dict[str, Any] = {}
        failure: list[Exception] = []

        def carry_out() -> None:
            if given_up.is_set():
                return
            try:
                answer.update(self._now(work, act))
            except Exception as e:
                failure.append(e)
            ended.set()

        server = operation.instance_uuid
        if self._turns.enter(f"errand {operation.step} {operation.uuid}", server, carry_out, again=True):
            self._submit(self._turns.serve, server)
        if not ended.wait(self._patience):
            given_up.set()
            raise errors.Unavailable(f"Server {server} is busy on this host.")
        if failure:
            raise failure[0]
        return answer

    def _now(self, work: Work, act: Act) -> dict[str, Any]:
        operation = work.operation
        if not self._admit(operation.instance_uuid, operation.epoch):
            raise errors.Stale(f"A later owner of server {operation.instance_uuid} was here.")
        started = concurrency.time()
        result = act(work)
        return {"data": result.data, "changes": result.effect or {}, "started_at": started,
                "finished_at": concurrency.time()}
