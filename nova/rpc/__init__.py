# SPDX-License-Identifier: Apache-2.0
"""Transport: how daemons call each other. What is said stands in the daemons' clients and endpoints, not here."""

from __future__ import annotations
