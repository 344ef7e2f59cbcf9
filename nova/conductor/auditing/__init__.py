# SPDX-License-Identifier: Apache-2.0
"""The parts of the audit: what is looked at, what was seen, and per area what is held by nobody and how it is freed."""
