# SPDX-License-Identifier: Apache-2.0
"""Crash tests: real daemons as processes, real SIGKILL before and after each step; the table is made from the steps."""
