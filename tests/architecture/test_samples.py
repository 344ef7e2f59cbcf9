# SPDX-License-Identifier: Apache-2.0
"""What lies in etc/nova is what the code would generate, and systemd accepts the units."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "etc" / "nova" / "systemd").glob("*.service"))


def test_samples_are_current() -> None:
    done = subprocess.run([sys.executable, "tools/make-samples", "--check"], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """With the programs where this environment has them."""
    if shutil.which("systemd-analyze") is None:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "systemd"], check=True, timeout=300)
    for unit in UNITS:
        text = unit.read_text().replace("/usr/bin/nova-", f"{Path(sys.executable).parent}/nova-")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("*.service"))],
                          capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_unit_is_of_type_notify_and_starts_a_program_of_ours() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for unit in UNITS:
        text = unit.read_text()
        assert "Type=notify" in text and "WatchdogSec=" in text and "NoNewPrivileges=yes" in text, unit.name
        found = re.search(r"^ExecStart=/usr/bin/(\S+)", text, re.M)
        assert found and found.group(1) in scripts, unit.name
