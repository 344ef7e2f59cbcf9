# SPDX-License-Identifier: Apache-2.0
"""Start, stop and reboot: one step on the host each."""

from nova.workflow.shape import Shape, StepShape

START = Shape("start", "Power a server on.", (
    StepShape("power_on", "host", "Start the guest.", event="compute_start_instance"),))
STOP = Shape("stop", "Power a server off.", (
    StepShape("power_off", "host", "Ask the guest to stop, then stop it.", event="compute_stop_instance"),))
REBOOT = Shape("reboot", "Restart a server.", (
    StepShape("reboot", "host", "Restart the guest, softly or hard.", event="compute_reboot_instance"),))
