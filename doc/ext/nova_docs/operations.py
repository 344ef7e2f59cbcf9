# SPDX-License-Identifier: Apache-2.0
"""``.. nova-operations::`` and ``.. nova-transitions::``: the steps of operations, and the states that allow them."""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from nova import states
from nova.workflow.operations import SHAPES
from nova.workflow.shape import Shape, StepShape
from nova_docs.tables import Cell, code, paragraph, section, table


class OperationsDirective(SphinxDirective):
    """A section per operation with its steps in their order."""

    def run(self) -> list[nodes.Node]:
        return [section(shape.action, f"operation-{shape.action.replace('_', '-')}",
                        paragraph(f"{shape.doc} Deadline: {shape.deadline:g} s."), _steps(shape)) for shape in SHAPES]


def _steps(shape: Shape) -> nodes.table:
    columns = ("Step", "Runs at", "What it does", "When it fails", "Event in the API")
    return table(columns, [_step(step) for step in shape.steps], (12, 8, 40, 22, 28))


def _step(step: StepShape) -> list[Cell]:
    failure = f"on to {step.otherwise}" if step.otherwise else "the operation is undone and fails"
    if step.sure:
        failure = "it is tried until it works"
    if step.undo:
        failure = f"undone, then {failure}"
    what = f"{step.doc} (Only reached by name.)" if step.branch else step.doc
    if step.errand:
        what += " (An errand: only where the host did not do it when the API level asked.)"
    return [code(step.name), "a host" if step.level == "host" else "API level", what, failure,
            code(step.event) if step.event else "–"]


class TransitionsDirective(SphinxDirective):
    """The table of :mod:`nova.states`."""

    def run(self) -> list[nodes.Node]:
        columns = ("Operation", "Allowed vm states", "Allowed task states", "Task state meanwhile", "vm state after",
                   "vm state after failure")
        rows = [(code(name), _words(t.vm_states), _words(t.task_states), t.running or "–", t.after or "as it was",
                 t.failure or "as it was") for name, t in states.TRANSITIONS.items()]
        return [table(columns, rows, (14, 24, 24, 16, 12, 12))]


def _words(allowed: Iterable[str | None] | None) -> str:
    if allowed is None:
        return "any"
    names = sorted(name or "none" for name in allowed)
    return ", ".join(names)
