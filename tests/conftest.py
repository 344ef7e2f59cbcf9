# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every suite may use: real databases and a real broker, one server of each per test session."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services import session

DATABASES = ("sqlite", "postgresql", "mariadb")
_session_dir: list[Path] = []
#: Lines of each thing captured (log, stdout, stderr) that are shown of a failed test, from its beginning and its end.
_FIRST, _LAST = 20, 60


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    _session_dir.append(Path(tempfile.mkdtemp(prefix="nova-session-")))
    session.begin(_session_dir[0])
    signal.signal(signal.SIGTERM, _interrupt)  # so that fixtures are torn down


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``tools/test.sh long`` runs what is marked long as well."""
    if os.environ.get("NOVA_TEST_LONG"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    """What a failed test has printed and logged is shown in part: the end of the run is what people read first."""
    report: pytest.TestReport = yield
    report.sections = [(name, _shortened(content)) for name, content in report.sections]
    return report


def _shortened(content: str) -> str:
    lines = content.splitlines(keepends=True)
    left_out = len(lines) - _FIRST - _LAST
    if left_out <= 1:
        return content
    return "".join([*lines[:_FIRST], f"… {left_out} lines are left out …\n", *lines[-_LAST:]])


def pytest_unconfigure(config: pytest.Config) -> None:
    if _session_dir:
        session.end(_session_dir[0])
        shutil.rmtree(_session_dir.pop(), ignore_errors=True)


@pytest.fixture
def make_database(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``make_database("postgresql", "api")`` creates an empty database and gives its URL; removed after the test."""
    made: list[tuple[Any, str]] = []

    def make(kind: str = "sqlite", name: str = "db") -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.sqlite"
        server = session.shared(kind)
        unique = f"{name}_{uuid.uuid4().hex[:12]}"
        url: str = server.create_database(unique)
        made.append((server, unique))
        return url

    yield make
    for server, unique in made:
        server.drop_database(unique)


@pytest.fixture(params=DATABASES)
def database_kind(request: pytest.FixtureRequest) -> str:
    """The test runs once on each engine: sqlite, postgresql, mariadb."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(database_kind: str, make_database: Callable[..., str]) -> str:
    """An empty database on each engine in turn."""
    return make_database(database_kind)


@pytest.fixture(scope="session")
def rabbitmq() -> Any:
    """The session's RabbitMQ; see tests/services/rabbitmq.py for what it offers (a vhost of one's own, say)."""
    return session.shared("rabbitmq")
