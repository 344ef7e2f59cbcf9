# SPDX-License-Identifier: Apache-2.0
"""The operation engine: declared sequences of named steps, run from a row and finished whatever dies in between.

It knows no server, database or bus. A :class:`~nova.workflow.model.Workflow` declares steps; a
:class:`~nova.workflow.journal.Journal` keeps the row; a :class:`~nova.workflow.runner.Runner` moves the row forward, or
backwards when a step failed. Rules, in the order in which they matter:

1. The row is the truth; a message only says "look at that row".
2. A runner owns a row under an epoch. Each of its writes is conditional on it; ``Stale`` means stop and undo nothing.
3. Steps and undos are idempotent: a step that may have run runs again.
4. Undo is a function of the row and begins with the step in progress.
"""

from nova.workflow.journal import Journal
from nova.workflow.model import Again, Fault, Result, Row, Run, Step, Workflow, Workflows
from nova.workflow.runner import Runner

__all__ = ["Again", "Fault", "Journal", "Result", "Row", "Run", "Runner", "Step", "Workflow", "Workflows"]
