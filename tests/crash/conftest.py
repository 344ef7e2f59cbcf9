# SPDX-License-Identifier: Apache-2.0
"""Plays the chosen cases in the background, on as few clouds as possible; each test waits for its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.run import Runner


@pytest.fixture(scope="session")
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [spec.params["item"] for spec in parameters if spec and "item" in spec.params]
    running = Runner(chosen)
    yield running
    running.close()
