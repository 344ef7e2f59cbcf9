# SPDX-License-Identifier: Apache-2.0
"""What integration tests share: the guest image, built once and kept, and a machine that runs guests."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.site import ROOT, Site


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """The small guest that tools/guest-image builds, in a directory that outlives the session."""
    place = Path(os.environ.get("NOVA_TEST_CACHE_DIR") or "/var/tmp/nova-tests")
    place.mkdir(parents=True, exist_ok=True)
    image = place / "guest.qcow2"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([ROOT / "tools" / "guest-image", image], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return image


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site
