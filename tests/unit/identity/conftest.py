# SPDX-License-Identifier: Apache-2.0
"""A bootstrapped auth manager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.identity.build import Cloud, make_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = make_cloud(tmp_path)
    yield cloud
    cloud.identity.database.dispose()
