# SPDX-License-Identifier: Apache-2.0
"""What guests ask of hardware, and which part of a host they get: pure planning, without a hypervisor or a machine."""
