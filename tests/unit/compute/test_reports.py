# SPDX-License-Identifier: Apache-2.0
"""Inventory is reported when it changed; a host keeps the uuid of its node."""

from __future__ import annotations

from pathlib import Path

from oslo_config import cfg

from nova import conf
from nova.compute.reports import Reporter
from nova.compute.settings import Settings
from nova.virt import registry
from tests.unit.compute.cell import CellInMemory


def test_a_report_is_sent_when_something_changed(tmp_path: Path) -> None:
    loaded = conf.load("nova-test", [], [], cfg.ConfigOpts())
    driver = registry.load("fake", loaded, "host1", tmp_path)
    driver.start()
    cell = CellInMemory()
    changes: list[str] = []
    settings = Settings("host1", tmp_path)
    reporter = Reporter(settings, driver, cell, lambda: changes.append("changed"))  # type: ignore[arg-type]
    assert [reporter.report(), reporter.report()] == [True, False]
    loaded.set_override("vcpus", 3, "fake")
    assert [reporter.report(), reporter.report()] == [True, False]
    restarted = Reporter(settings, driver, cell, lambda: None)  # type: ignore[arg-type]
    assert restarted.report()
    assert [node.vcpus for node in cell.nodes] == [64, 3, 3] and len(changes) == 2
    assert len({node.uuid for node in cell.nodes}) == 1
    driver.stop()
