# SPDX-License-Identifier: Apache-2.0
"""The benchmark as a whole, against a cloud of a few lines: what it reports, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bench.fake_cloud import FakeCloud
from tools.benchlib.main import main

SMALL = ["-q", "-f", "json", "--boot", "12", "--multi", "5", "--one", "2", "--act", "4", "--servers", "60",
         "--requests", "5", "--lists", "3", "--clients", "3", "--seconds", "0.1"]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    cloud = FakeCloud()
    for name in [n for n in os.environ if n.startswith("OS_")]:
        monkeypatch.delenv(name)
    for name, value in (("AUTH_URL", f"{cloud.url}/identity"), ("USERNAME", "u"), ("PASSWORD", "right"),
                        ("PROJECT_NAME", "p")):
        monkeypatch.setenv(f"OS_{name}", value)
    yield cloud
    cloud.stop()


def test_a_run_measures_everything_and_leaves_nothing(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--pids", str(os.getpid()), "--reference"]) == 0
    out = json.loads(capsys.readouterr().out)
    measures = {m["measure"]: m for m in out["measures"]}
    assert list(measures) == ["memory", "memory_largest", "boot", "boot_cpu", "multi", "one", "stop", "stop_cpu",
                              "start", "start_cpu", "show", "show_rate", "flavors", "detail", "list", "delete",
                              "delete_cpu"]
    assert all(m["value"] is not None and m["value"] >= 0 for m in measures.values())
    assert measures["boot"]["title"] == "12 servers, 3 at a time, POST to all ACTIVE"
    assert measures["detail"]["reference"] == 3330 and measures["detail"]["reached"] is True
    assert cloud.servers == {} and cloud.most >= 60
    assert cloud.quota_calls == [("PUT", {"instances": -1, "cores": -1, "ram": -1}), ("DELETE", {})]
    assert out["about"]["flavor"] == "nano" and cloud.microversions == {None}


def test_a_quota_of_its_own_is_put_back(cloud: FakeCloud) -> None:
    cloud.quota = {"instances": 3, "cores": 4, "ram": 5}
    assert main([*SMALL, "--only", "one"]) == 0
    assert cloud.quota == {"instances": 3, "cores": 4, "ram": 5}


def test_the_quota_can_be_left_alone(cloud: FakeCloud) -> None:
    assert main([*SMALL, "--only", "one", "--keep-quota", "--microversion", "2.96", "--network", "n"]) == 0
    assert cloud.quota_calls == [] and cloud.microversions == {"compute 2.96"}


def test_a_measure_that_fails_is_told_and_the_next_one_runs(
        cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.fault = "the disk is on fire"
    assert main([*SMALL, "--only", "one,multi"]) == 1
    measures = json.loads(capsys.readouterr().out)["measures"]
    assert [(m["measure"], m["value"]) for m in measures] == [("multi", None), ("one", None)]
    assert all("the disk is on fire" in m["note"] for m in measures)
    assert cloud.servers == {} and cloud.quota == cloud.defaults


@pytest.mark.parametrize(("arguments", "variables", "words"), [
    ([], {"OS_PASSWORD": "wrong"}, "refused the credentials"), ([], {"OS_AUTH_URL": ""}, "no cloud is named"),
    (["--flavor", "huge"], {}, "flavor 'huge' does not exist"), (["--image", "none"], {}, "no active image"),
    (["--os-cloud", "nowhere"], {"OS_CLIENT_CONFIG_FILE": "/nonexistent"}, "no clouds.yaml"),
    (["--reference", "/nonexistent"], {}, "No such file"), ([], {"OS_AUTH_URL": "http://127.0.0.1:1"}, "refused"),
])
def test_what_prevents_a_run_is_one_line(cloud: FakeCloud, capsys: pytest.CaptureFixture[str],
                                         monkeypatch: pytest.MonkeyPatch, arguments: list[str],
                                         variables: dict[str, str], words: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main([*SMALL, *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_a_quota_that_cannot_be_raised_names_the_remedy(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.broken = "/os-quota-sets"
    assert main(SMALL) == 2
    assert "--admin-cloud" in capsys.readouterr().err


def test_the_program_reads_clouds_yaml_and_prints_a_table(cloud: FakeCloud, tmp_path: Path) -> None:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(json.dumps({"clouds": {"demo": {"region_name": "r", "auth": {
        "auth_url": f"{cloud.url}/identity/v3", "username": "u", "password": "right", "project_name": "p",
        "user_domain_name": "Default", "project_domain_name": "Default"}}}}))
    environment = {"PATH": os.environ["PATH"], "OS_CLIENT_CONFIG_FILE": str(clouds), "COLUMNS": "150"}
    done = subprocess.run([sys.executable, "tools/bench", "--os-cloud", "demo", "--one", "2", "--only", "one",
                           "--reference"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "one server, POST to ACTIVE, p50" in done.stdout and "740 ms" in done.stdout
    assert cloud.servers == {}


def test_pages_are_read_where_there_are_so_many(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1500):
        cloud.servers[str(number)] = {"id": str(number), "name": f"server-{number:05}", "status": "SHUTOFF"}
    assert main([*SMALL, "--only", "pages", "--pages", "2", "--reference"]) == 0
    measures = {m["measure"]: m for m in json.loads(capsys.readouterr().out)["measures"]}
    assert list(measures) == ["page_first", "page_late", "by_tag", "by_ip", "by_status", "by_name"]
    late = measures["page_late"]
    assert late["title"] == "  page 2" and late["note"].startswith("500 servers")
    assert measures["by_name"]["note"].startswith("100 servers") and measures["page_first"]["reach"] == 80
    assert main([*SMALL, "--only", "pages", "--pages", "3"]) == 1
    assert "less than 3 pages" in capsys.readouterr().out
    assert len(cloud.servers) == 1500
