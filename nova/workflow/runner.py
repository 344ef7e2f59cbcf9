# SPDX-License-Identifier: Apache-2.0
"""The runner: moves one owned row along its workflow until it ends, fails back, or belongs to another level."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from nova import concurrency, errors
from nova.workflow.journal import Journal
from nova.workflow.model import Act, Again, Fault, Result, Row, Run, Step, Workflow, Workflows, host_of

LOG = logging.getLogger(__name__)
_TRIES = 3
#: A row that fails where it must not is tried less and less often, down to this many times the ordinary delay.
_PATIENCE = 5

#: Told after the commit that gave a row to another level: the message that makes it fast.
Nudge = Callable[[Row], None]


class Runner:
    """Runs rows of one level (``api``, or ``host`` on the host named ``host``). ``told_as``: the host that events of
    the steps name, when that is not ``host``."""

    def __init__(self, journal: Journal, workflows: Workflows, *, level: str, host: str | None = None,
                 nudge: Nudge = lambda row: None, retry_delay: float = 2.0, told_as: str | None = None) -> None:
        self._journal, self._workflows = journal, workflows
        self._level, self._host, self._told_as = level, host, told_as or host
        self._nudge, self._retry_delay = nudge, retry_delay

    def run(self, row: Row, env: Any) -> None:
        """Move ``row``, which the caller has taken, as far as this level can. Never raises for what a step did."""
        run = Run(row, env)
        try:
            workflow = self._workflows[row.action]
            while row.state in ("open", "undoing") and self._here(row):
                if row.state == "open":
                    self._forward(workflow, run)
                else:
                    self._back(workflow, run)
        except errors.Stale:
            LOG.info("operation %s (%s) of server %s has another owner now", row.uuid, row.action, row.instance_uuid)
        except errors.Unavailable as e:
            LOG.warning("operation %s (%s) of server %s waits: %s", row.uuid, row.action, row.instance_uuid, e.message)
            self._let_go(row)
        except Exception as e:
            LOG.log(logging.WARNING if isinstance(e, errors.NovaError) else logging.ERROR,
                    "operation %s (%s) of server %s cannot go on at step %s and waits: %s", row.uuid, row.action,
                    row.instance_uuid, row.step, e, exc_info=not isinstance(e, errors.NovaError))
            self._let_go(row, min(max(row.attempt, 1), _PATIENCE))

    def _here(self, row: Row) -> bool:
        return row.level == self._level and (self._level != "host" or row.host == self._host)

    def _let_go(self, row: Row, times: int = 1) -> None:
        try:
            self._journal.release(row, delay=self._retry_delay * times)
        except errors.NovaError as e:
            LOG.info("operation %s stays mine until its journal is back: %s", row.uuid, e.message)

    # -- forward ---------------------------------------------------------------------------------------------------

    def _forward(self, workflow: Workflow, run: Run) -> None:
        row = run.row
        step = workflow.step(row.step)
        name = f"step:{row.action}.{step.name}"
        concurrency.checkpoint(f"{name}:before")
        started = concurrency.time()
        run.tries = 0
        while True:
            try:
                result = step.act(run) or Result()
                target = workflow.step(result.next) if result.next else workflow.after(step)
                self._record(run, step, target, result, self._event(step, started, "Success", result))
                break
            except (errors.Stale, errors.Unavailable):
                raise
            except Again as again:
                run.tries += 1
                if run.tries >= _TRIES:
                    self._failed(workflow, step, run, again.error, started)
                    return
            except Exception as e:
                self._failed(workflow, step, run, e, started)
                return
        concurrency.checkpoint(f"{name}:after")

    def _record(self, run: Run, step: Step, target: Step | None, result: Result, event: dict[str, Any] | None) -> None:
        row = run.row
        data = row.step_data | result.data
        if result.close is not None or target is None:
            state = result.close or "done"
            row.step_data = self._journal.finish(row, state=state, data=data, effect=result.effect, event=event,
                                                 fault=result.fault)
            row.state, row.fault = state, result.fault
            return
        host = host_of(target, data, result.host or row.host)
        if target.level == self._level and (self._level != "host" or host == self._host):
            data = self._journal.advance(row, step=target.name, data=data, effect=result.effect, event=event)
        else:
            data = self._journal.hand(row, level=target.level, host=host, step=target.name, data=data,
                                      effect=result.effect, event=event)
            row.level = target.level
        row.step_data, row.host, row.step = data, host, target.name
        if not self._here(row):
            self._nudge(row)

    def _event(self, step: Step, started: float, result: str, outcome: Result | None = None,
               trace: str | None = None) -> dict[str, Any] | None:
        if step.event is None:
            return None
        return {"event": step.event, "started_at": started, "finished_at": concurrency.time(), "result": result,
                "host": self._told_as, "details": outcome.details if outcome else None, "traceback": trace,
                "data": outcome.event_data if outcome else None}

    # -- failure ---------------------------------------------------------------------------------------------------

    def _failed(self, workflow: Workflow, step: Step, run: Run, error: Exception, started: float) -> None:
        row = run.row
        trace = "".join(traceback.format_exception(error))
        expected = isinstance(error, errors.NovaError)
        LOG.log(logging.INFO if expected else logging.ERROR, "operation %s: step %s.%s of server %s failed: %s",
                row.uuid, row.action, step.name, row.instance_uuid, error if expected else trace)
        told = str(getattr(error, "details", {}).get("details") or "")
        if step.sure:
            raise error
        fault = Fault.of(error, self._host, told or trace).to_dict()
        details = Result(details=told or fault["message"], event_data=getattr(error, "details", {}).get("reasons"))
        event = self._event(step, started, "Error", details, trace)
        if step.otherwise is not None:
            if step.undo is not None:
                self._undo(row, step.name, step.undo, run)
            data = row.step_data | {"fault": fault}
            target = workflow.step(step.otherwise)
            self._record(run, step, target, Result(data=data), event)
            return
        self._journal.advance(row, step=step.name, data=row.step_data, effect=None, event=event, state="undoing",
                              fault=fault)
        row.state, row.fault = "undoing", fault

    @staticmethod
    def _undo(row: Row, name: str, undo: Act, run: Run) -> Result:
        concurrency.checkpoint(f"undo:{row.action}.{name}:before")
        result = undo(run) or Result()
        concurrency.checkpoint(f"undo:{row.action}.{name}:after")
        return result

    def _back(self, workflow: Workflow, run: Run) -> None:
        row = run.row
        step = workflow.step(row.step)
        result = Result()
        if step.undo is not None and step.level == self._level:
            result = self._undo(row, step.name, step.undo, run)
        if result.next is not None:
            self._record(run, step, workflow.step(result.next), result, None)
            row.state = "open"
            return
        previous = workflow.before(step)
        data = row.step_data | result.data
        if previous is not None:
            level, host = previous.level, host_of(previous, data, row.host)
            if level == self._level and (level != "host" or host == self._host):
                self._journal.advance(row, step=previous.name, data=data, effect=result.effect, event=None,
                                      state="undoing")
            else:
                self._journal.hand(row, level=level, host=host, step=previous.name, data=data,
                                   effect=result.effect, event=None, state="undoing")
                row.level = level
            row.step, row.step_data, row.host = previous.name, data, host
            if not self._here(row):
                self._nudge(row)
            return
        closing = workflow.failed(run) if workflow.failed else None
        self._journal.finish(row, state="failed", data=data, effect=closing.effect if closing else result.effect,
                             event=None, fault=row.fault)
        row.state = "failed"
