# SPDX-License-Identifier: Apache-2.0
"""What a workflow is made of: rows, steps and their results. Plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nova import errors


@dataclasses.dataclass(slots=True)
class Row:
    """An operation as its journal holds it. ``host`` is set when ``level`` is ``host``.

    ``secrets`` are sealed. ``taken``: False while ``owner`` is who will own the row from its first write on.
    ``carried`` is known in this process only and never stored: what goes with the row when it is handed on.
    """

    uuid: str
    instance_uuid: str
    action: str
    step: str
    level: str
    epoch: int
    state: str = "open"
    version: int = 1
    host: str | None = None
    owner: str | None = None
    inputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    step_data: dict[str, Any] = dataclasses.field(default_factory=dict)
    actor: dict[str, Any] = dataclasses.field(default_factory=dict)
    fault: dict[str, Any] | None = None
    attempt: int = 0
    project_id: str = ""
    request_id: str = ""
    secrets: str | None = dataclasses.field(default=None, repr=False)
    taken: bool = True
    carried: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Why an operation failed, in words for its owner; ``details`` are for administrators."""

    message: str
    code: int = 500
    details: str = ""
    host: str | None = None
    retry: bool = True

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, error: BaseException, host: str | None = None, details: str = "") -> Fault:
        if isinstance(error, errors.NovaError):
            return cls(error.message, error.http, details or str(error.details.get("details", "")), host,
                       bool(error.details.get("retry", True)))
        return cls(f"{type(error).__name__} while the operation ran; the log of its host tells more.", 500, details,
                   host)


@dataclasses.dataclass(slots=True)
class Result:
    """What a step did. ``data`` is merged into the row's step data; ``effect`` is handed to the journal and takes place
    in the transaction that records the step (what it returns is merged into the data too); ``next`` overrules the
    declared order, and from an undo it says where the operation goes on after all; ``host`` binds later host steps;
    ``close`` ends the row in that state with this step."""

    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    effect: Any = None
    next: str | None = None
    host: str | None = None
    close: str | None = None
    fault: dict[str, Any] | None = None
    details: str | None = None
    event_data: dict[str, Any] | None = None


class Again(Exception):
    """Raised by an effect: try the act anew with a fresh view; ``error`` is the failure if it is given up."""

    def __init__(self, error: errors.NovaError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclasses.dataclass(slots=True)
class Run:
    """What a step sees: the row, whatever the level gives its steps (``env``), and how often the effect of the step in
    progress has asked for another try."""

    row: Row
    env: Any
    tries: int = 0

    @property
    def data(self) -> dict[str, Any]:
        return self.row.step_data

    @property
    def inputs(self) -> dict[str, Any]:
        return self.row.inputs


Act = Callable[[Run], Result | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A named step. ``otherwise`` is the step to go on with when this one fails (its undo has run by then); without it
    a failure undoes the whole operation, unless the step is ``sure``: then it waits and is tried again. ``event`` is
    the name the API shows. A step off the main path (``branch``) is only reached by name. A ``lean`` one does nothing
    before its record that could not as well be done twice, so the record may be what takes the row. ``place`` names
    the entry of the step data that says on which host a step of an operation over several hosts runs. An ``errand`` is
    a host's step that the API level may also ask for by a call."""

    name: str
    level: str
    act: Act
    undo: Act | None = None
    otherwise: str | None = None
    event: str | None = None
    branch: bool = False
    sure: bool = False
    lean: bool = False
    place: str | None = None
    errand: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Workflow:
    """``failed(run)`` gives the effect that closes a failed operation; ``deadline`` is in seconds."""

    action: str
    steps: tuple[Step, ...]
    failed: Act | None = None
    version: int = 1
    deadline: float = 1800.0

    def step(self, name: str) -> Step:
        for step in self.steps:
            if step.name == name:
                return step
        raise errors.Invalid(f"operation {self.action} has no step {name}")

    def after(self, step: Step) -> Step | None:
        rest = self.steps[self.steps.index(step) + 1:]
        return next((s for s in rest if not s.branch), None)

    def before(self, step: Step) -> Step | None:
        rest = self.steps[:self.steps.index(step)]
        return next((s for s in reversed(rest) if s.undo is not None), None)


def host_of(step: Step, data: dict[str, Any], current: str | None) -> str | None:
    """The host on which ``step`` runs: the one that the step data names for its place, else the ``current`` one."""
    if step.level != "host" or step.place is None:
        return current
    host: str | None = data.get(step.place)
    if not host:
        raise errors.Invalid(f"step {step.name} has no host: its operation names no {step.place}")
    return host


class Workflows:
    """The workflows that a level knows, by action. Levels may know different steps of the same action."""

    def __init__(self, workflows: Iterable[Workflow]) -> None:
        self._by_action = {w.action: w for w in workflows}

    def __getitem__(self, action: str) -> Workflow:
        try:
            return self._by_action[action]
        except KeyError:
            raise errors.Invalid(f"operation {action!r} is unknown to this version") from None

    def __contains__(self, action: str) -> bool:
        return action in self._by_action

    def __iter__(self) -> Iterator[Workflow]:
        return iter(self._by_action.values())
