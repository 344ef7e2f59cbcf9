# SPDX-License-Identifier: Apache-2.0
"""The built wheel carries the migrations and can bring empty databases up, away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nova.db import migrate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what the wheel is made of, so that nothing is written into the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.cfg", "setup.py", "README.rst", "LICENSE", "nova", "alembic"):
        subprocess.run(["cp", "-r", ROOT / name, source / name], check=True, timeout=60)
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, source], check=True,
                   timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return next(place.glob("*.whl"))


def test_the_wheel_has_name_licence_and_migrations(wheel: Path) -> None:
    assert wheel.name.startswith("nova_controller-0.1.0-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in metadata and "Requires-Python: >=3.11" in metadata
    for which in ("api", "cell"):
        assert f"nova/db/_alembic/{which}/env.py" in names
        assert any(n.startswith(f"nova/db/_alembic/{which}/versions/0001_") for n in names)
    assert not [n for n in names if n.startswith(("tests/", "alembic/"))]


def test_the_wheel_migrates_empty_databases(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "import nova; from nova.db import migrate; from nova.db.engine import Database\n"
        "done = {w: migrate.upgrade(Database(f'sqlite:///{sys.argv[2]}/{w}.sqlite'), w) for w in ('api', 'cell')}\n"
        "print(json.dumps({'file': nova.__file__, 'scripts': str(migrate.scripts('api')), **done}))\n")
    done = subprocess.run([sys.executable, "-c", program, site, tmp_path], cwd=tmp_path, text=True, timeout=120,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(site)}, check=True)
    said = json.loads(done.stdout)
    assert said["file"].startswith(str(site)) and said["scripts"].startswith(str(site))
    assert (said["api"], said["cell"]) == (migrate.head("api"), migrate.head("cell"))
