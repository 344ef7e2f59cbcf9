# SPDX-License-Identifier: Apache-2.0
"""A seed for the run, and the in-process API of the tests of the Compute API."""

from __future__ import annotations

import os
import random

import pytest

from tests.api.compute.conftest import api

__all__ = ["api", "seed"]

LONG = bool(os.environ.get("NOVA_TEST_LONG"))
#: Seconds that one of these tests may take; at full length they ask for longer than other tests may take.
PATIENCE = 3600 if LONG else 600


@pytest.fixture
def seed(capsys: pytest.CaptureFixture[str]) -> int:
    """Drawn anew for each run; ``NOVA_TEST_FUZZ_SEED`` plays one again."""
    drawn = int(os.environ.get("NOVA_TEST_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
    with capsys.disabled():
        print(f" seed {drawn} (NOVA_TEST_FUZZ_SEED={drawn} plays it again)", end="")
    return drawn
