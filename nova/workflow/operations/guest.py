# SPDX-License-Identifier: Apache-2.0
"""What is done inside a running guest, or to its kernel: one step on the host each."""

from nova.workflow.shape import Shape, StepShape

CHANGE_PASSWORD = Shape("changePassword", "Set the password of a guest's administrator.", (
    StepShape("set_password", "host", "Ask the agent in the guest to set the password.",
              event="compute_set_admin_password"),), ability="GuestAgent", deadline=300.0)
TRIGGER_CRASH_DUMP = Shape("trigger_crash_dump", "Have a guest's kernel dump its memory.", (
    StepShape("interrupt", "host", "Inject a non-maskable interrupt.", event="compute_trigger_crash_dump"),),
    ability="Nmi")
