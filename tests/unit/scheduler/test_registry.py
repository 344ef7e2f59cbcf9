# SPDX-License-Identifier: Apache-2.0
"""Filters and weighers of an operator come by entry point and are named in the configuration like ours."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nova import errors
from nova.scheduler import explain, registry
from nova.scheduler.engine import decide
from tests.unit.scheduler.build import host, make_options, spec

PLUGIN = '''
from nova.scheduler.filters.base import Filter
from nova.scheduler.weighers.base import Weigher

class OddFilter(Filter):
    def refuse(self, host, spec):
        return None if int(host.host) % 2 else "even"

class NumberWeigher(Weigher):
    option = "number_weight_multiplier"
    default = 2.0

    def weigh(self, host, spec):
        return int(host.host)
'''
ENTRY_POINTS = '''
[nova.scheduler.filters]
OddFilter = site_scheduler_rules:OddFilter
NoFilter = site_scheduler_rules:NumberWeigher
[nova.scheduler.weighers]
NumberWeigher = site_scheduler_rules:NumberWeigher
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package, as importlib sees it."""
    (tmp_path / "site_scheduler_rules.py").write_text(PLUGIN)
    info = tmp_path / "site_scheduler_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: site-scheduler-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
def test_a_filter_and_a_weigher_from_another_package_take_part() -> None:
    options = make_options(filter_scheduler__enabled_filters=["OddFilter", "RamFilter"],
                           filter_scheduler__enabled_weighers=["NumberWeigher"])
    assert options.multipliers == (2.0,)
    decision = decide(spec(), [host(str(n)) for n in range(6)], options, random.Random(1))
    assert [state.host for state in decision.ranked.hosts] == ["5", "3", "1"]
    assert decision.reasons == {"OddFilter": {"count": 3, "example": "even", "hosts": {
        "0": "even", "2": "even", "4": "even"}}}
    assert "OddFilter: 3 refused" in explain.table(decision)


@pytest.mark.usefixtures("plugin")
def test_an_entry_point_of_the_wrong_kind_is_told() -> None:
    with pytest.raises(errors.ConfigError, match=r"enabled_filters names 'NoFilter', which is no Filter"):
        registry.filters(["NoFilter"])
