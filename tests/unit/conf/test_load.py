# SPDX-License-Identifier: Apache-2.0
"""Reading a configuration: defaults, files, and the one line that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from nova import conf, errors


def load(tmp_path: Path, text: str, *argv: str) -> cfg.ConfigOpts:
    file = tmp_path / "nova.conf"
    file.write_text(text)
    return conf.load("nova-test", argv, [file], conf=cfg.ConfigOpts())


def test_defaults_are_those_of_the_protocol(tmp_path: Path) -> None:
    loaded = load(tmp_path, "")
    assert (loaded.report_interval, loaded.lease, loaded.service_down_time) == (2.0, 8.0, 60.0)
    assert loaded.concurrency_backend == "threads"
    assert loaded.database.connection is None


def test_a_file_and_the_command_line_are_read(tmp_path: Path) -> None:
    loaded = load(tmp_path, "[DEFAULT]\nhost = one\n[database]\nconnection = sqlite:///x\n", "--use-json")
    assert (loaded.host, loaded.database.connection, loaded.use_json) == ("one", "sqlite:///x", True)


@pytest.mark.parametrize(("text", "words"), [
    ("[DEFAULT]\nreport_interval = fast", ["[DEFAULT] report_interval", "nova.conf", "at least 0.1"]),
    ("[DEFAULT]\nconcurrency_backend = fibres", ["concurrency_backend", "threads, greenlets"]),
    ("[wsgi]\nthreads = 0", ["[wsgi] threads", "at least 1"]),
    ("[DEFAULT]\nlease = 3", ["lease", "three times report_interval"]),
    ("[DEFAULT]\nservice_down_time = 4", ["service_down_time", "lease"]),
    ("no section", ["nova.conf"]),
])
def test_a_wrong_value_is_told_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        load(tmp_path, text)
    assert "\n" not in caught.value.message
    for word in words:
        assert word in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="--config-file: .*absent.conf"):
        conf.load("nova-test", ["--config-file", str(tmp_path / "absent.conf")], conf=cfg.ConfigOpts())


def test_every_option_is_explained_and_no_two_share_a_name() -> None:
    names = [(group, opt.name) for group, opts in conf.list_opts() for opt in opts]
    assert len(names) == len(set(names))
    assert [f"{group}.{opt.name}" for group, opts in conf.list_opts() for opt in opts if not opt.help] == []
