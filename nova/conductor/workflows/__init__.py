# SPDX-License-Identifier: Apache-2.0
"""The API-level steps of operations, one file per operation."""

from nova.conductor.workflows.create import CREATE_AT_API
from nova.conductor.workflows.delete import DELETE_AT_API, WITHDRAW_AT_API
from nova.workflow import Workflows
from nova.workflow.operations import SHAPES

WORKFLOWS = Workflows([CREATE_AT_API, DELETE_AT_API, WITHDRAW_AT_API,
                       *(s.bind("api", {}) for s in SHAPES if all(step.level == "host" for step in s.steps))])
