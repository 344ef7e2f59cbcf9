# SPDX-License-Identifier: Apache-2.0
"""The same API as the tests of the Compute API use."""

from __future__ import annotations

from tests.api.compute.conftest import api

__all__ = ["api"]
