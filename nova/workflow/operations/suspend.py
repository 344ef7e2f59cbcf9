# SPDX-License-Identifier: Apache-2.0
"""Suspend and resume: one step on the host each."""

from nova.workflow.shape import Shape, StepShape

SUSPEND = Shape("suspend", "Save the memory of a server to its host's disk and free it.", (
    StepShape("suspend", "host", "Save the guest's memory, then end it.", event="compute_suspend_instance"),),
    ability="Suspend")
RESUME = Shape("resume", "Let a suspended server go on from its saved memory.", (
    StepShape("resume", "host", "Plug the network and restore the guest from its saved memory.",
              event="compute_resume_instance"),), ability="Suspend")
