# SPDX-License-Identifier: Apache-2.0
"""Versioned domain data: what crosses the bus. One object per file; no tables, no transport."""

from __future__ import annotations
