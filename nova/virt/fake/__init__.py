# SPDX-License-Identifier: Apache-2.0
"""A hypervisor made of files: real limits and failures on demand, no processes and no network."""
