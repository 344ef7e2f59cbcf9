# SPDX-License-Identifier: Apache-2.0
"""What follows from a state directory and options: names, URLs, configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from nova import conf, errors
from nova.cmd.provision import cell0_url
from nova.cmd.standalone.layout import Layout
from nova.cmd.standalone.state import Options, StateDir
from nova.cmd.urls import masked


def layout(path: Path, **options: object) -> Layout:
    state = StateDir(path)
    state.create()
    return Layout(state, Options(virt="fake", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("url", "shown"), [
    ("rabbit://nova:p@h:5672/v", "rabbit://nova:***@h:5672/v"),
    ("rabbit://a:b@h1:1,c:d@h2:2/v", "rabbit://a:***@h1:1,c:***@h2:2/v"),
    ("postgresql+psycopg://nova:p%40@h/n", "postgresql+psycopg://nova:***@h/n"),
    ("sqlite:////a/b.sqlite", "sqlite:////a/b.sqlite"),
    ("nova-memory://api", "nova-memory://api"),
])
def test_passwords_in_urls_are_not_shown(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(("cell", "cell0"), [
    ("sqlite:////s/cell1.sqlite", "sqlite:////s/cell1_cell0.sqlite"),
    ("postgresql://u:p@h/nova", "postgresql+psycopg://u:p@h/nova_cell0"),
    ("mysql://u:p@h/nova", "mysql+pymysql://u:p@h/nova_cell0"),
])
def test_cell0_lies_beside_the_cell(cell: str, cell0: str) -> None:
    assert cell0_url(cell) == cell0


def test_hosts_are_spread_over_cells(tmp_path: Path) -> None:
    made = layout(tmp_path, hosts=5, cells=2)
    assert list(made.hosts.values()) == ["cell1", "cell2", "cell1", "cell2", "cell1"]
    assert list(layout(tmp_path).hosts) == [made.machine]


def test_databases_and_buses_have_names_of_their_own(tmp_path: Path) -> None:
    made = layout(tmp_path, hosts=2, cells=2, database="mysql://u:p@h/cloud", bus="rabbit://u:p@h/cloud")
    assert made.database("cell0") == "mysql+pymysql://u:p@h/cloud_cell0"
    assert (made.bus("api"), made.bus("cell1"), made.bus("cell2")) == (
        "rabbit://u:p@h/cloud", "rabbit://u:p@h/cloud", "rabbit://u:p@h/cloud_cell2")


def test_a_password_with_special_characters_survives_the_configuration(tmp_path: Path) -> None:
    bus = "rabbit://nova:a$b%25c;d#e@h:5672/v"
    made = layout(tmp_path, bus=bus)
    made.write_configuration()
    loaded = conf.load("nova-test", [], [made.state.config], conf=cfg.ConfigOpts())
    loaded.register_opts([cfg.StrOpt("transport_url")])
    assert loaded.transport_url == bus
    assert made.state.config.stat().st_mode & 0o777 == 0o600


def test_what_is_built_in_cannot_be_changed(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.create()
    state.keep_options(Options(virt="fake", hosts=2, cells=2))
    for changed in (Options(virt="libvirt"), Options(virt="fake", hosts=2, cells=1),
                    Options(virt="fake", hosts=2, cells=2, database="mysql://u:p@h/n")):
        with pytest.raises(errors.ConfigError, match="--"):
            state.keep_options(changed)
    state.keep_options(Options(virt="fake", hosts=4, cells=2))


def test_a_state_directory_is_locked_while_it_is_used(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.create()
    assert not state.running()
    assert state.lock() is not None
    assert state.running() and state.lock() is None
