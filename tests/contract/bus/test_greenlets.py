# SPDX-License-Identifier: Apache-2.0
"""The same contract in a process whose concurrency is eventlet's: patching must happen before anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from nova import concurrency
concurrency.use("greenlets")
import sys
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("kind", ["memory", "rabbitmq"])
def test_the_contract_holds_under_greenlets(kind: str, tmp_path: Path) -> None:
    here = Path(__file__).parent
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(here / "test_bus.py"), str(here / "test_envelopes.py"), "-k",
         f"[{kind}] or [{kind}- and not classic", "--basetemp", str(tmp_path / "inner")],
        cwd=here.parents[2], env=environment, timeout=400, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
