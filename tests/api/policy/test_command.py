# SPDX-License-Identifier: Apache-2.0
"""nova-policy: check, list, sample, validate, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from nova.cmd.policy import nova_policy
from nova.policy import sample

SERVERS = "os_compute_api:servers:"
LIMITS = "os_compute_api:limits"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """``run("check", …)``; rules(text) writes the policy file."""
    (tmp_path / "nova.conf").write_text("")

    def call(*words: str, rules: str | None = None) -> Result:
        if rules is not None:
            (tmp_path / "policy.yaml").write_text(rules)
        return CliRunner().invoke(nova_policy, ["--config-file", str(tmp_path / "nova.conf"), "-f", "json", *words])

    return call


def passing(result: Result) -> set[str]:
    assert result.exit_code == 0, result.output
    return {row["rule"] for row in json.loads(result.stdout)}


def test_check_prints_what_passes(run: Any) -> None:
    assert passing(run("check", "--os-roles", "reader", "--api-name", SERVERS + "s*")) == {
        SERVERS + "show", SERVERS + "show:flavor-extra-specs"}
    assert SERVERS + "stop" in passing(run("policy", "check", "--os-roles", "member", "--api-name", SERVERS + "s*"))
    everything = passing(run("check", "--os-roles", "admin"))
    assert len(everything) > 300
    assert "compute:servers:resize:cross_cell" not in everything


def test_check_knows_whose_the_resource_is(run: Any) -> None:
    mine = ("check", "--os-roles", "member", "--os-tenant-id", "p1", "--os-user-id", "u1")
    delete = ("--api-name", SERVERS + "delete")
    assert passing(run(*mine, *delete, "--target", "project_id=p1")) == {SERVERS + "delete"}
    foreign = run(*mine, *delete, "--target", "project_id=p2")
    assert (foreign.exit_code, json.loads(foreign.stdout)) == (1, [])
    keys = "os_compute_api:os-keypairs:show"
    assert passing(run(*mine, "--api-name", keys, "--target", "project_id=p2", "user_id=u1")) == {keys}
    assert run(*mine, "--api-name", keys, "--target", "user_id=u2").exit_code == 1
    assert run("check", "--os-roles", "admin", "--os-system-scope", "all", "--api-name", LIMITS).exit_code == 1


def test_check_follows_the_files(run: Any) -> None:
    assert passing(run("check", "--api-name", LIMITS)) == {LIMITS}
    assert run("check", "--api-name", LIMITS, rules=f'"{LIMITS}": "!"\n').exit_code == 1


@pytest.mark.parametrize("words", [("check", "--api-name", "nothing*"), ("check", "--target", "nonsense"),
                                   ("list", "--api-name", "x"), ("check", "--colour"), ("validate", "/no/such/file")])
def test_wrong_usage_is_2(run: Any, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_list_tells_what_is_overridden(run: Any) -> None:
    assert json.loads(run("list", "--api-name", LIMITS).stdout) == [{
        "rule": LIMITS, "check": "@", "overridden": "no", "scope": "project", "operations": "GET /limits",
        "description": "Show limits and usage of the own project"}]
    changed = json.loads(run("list", "--changed", rules=f'"{LIMITS}": "role:member"\n').stdout)
    assert [(row["rule"], row["check"], row["overridden"]) for row in changed] == [(LIMITS, "role:member", "yes")]


def test_the_sample_is_every_rule_and_the_one_that_is_shipped(run: Any, tmp_path: Path) -> None:
    shown = run("sample").stdout
    assert shown == (Path(__file__).parents[3] / "etc" / "nova" / "policy.yaml.sample").read_text()
    rules = yaml.safe_load("\n".join(line[2:] for line in shown.splitlines() if line.startswith('# "')))
    assert rules == {rule.name: str(rule.check_str) for rule in sample.all_rules()}
    assert run("sample", "-o", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out").read_text() == shown


@pytest.mark.parametrize(("text", "status", "said"), [
    ("", 0, []),
    (f'"{LIMITS}": "role:member"\n', 0, []),
    ('"mine": "role:a"\n"os_compute_api:limits": "rule:mine or role:b"\n', 0, []),
    (f'"{LIMITS}": "@"\n', 1, ["same as the default"]),
    ('"os_compute_api:servers:show": "(rule:project_reader_or_admin)"\n', 1, ["same as the default"]),
    (f'"{LIMITS}": "role:a and ("\n', 2, ["cannot be understood"]),
    ('"os_compute_api:limit": "role:a"\n', 2, ["nothing asks"]),
    (f'"{LIMITS}": "rule:nope"\n', 2, ["does not exist"]),
    (f'"{LIMITS}": "@"\n"{LIMITS}": "!"\n', 2, ["twice"]),
    ('"admin_api": "rule:context_is_admin or rule:service_or_admin"\n"context_is_admin": "rule:admin_api"\n', 2,
     ["itself"]),
    (f'"{LIMITS}": "http://example.org/"\n', 2, ["not supported"]),
    ("- a\n", 2, ["not a mapping"]), ("a: [\n", 2, ["cannot be read"]), (": :\n  - {", 2, ["cannot be read"])])
def test_validate(run: Any, tmp_path: Path, text: str, status: int, said: list[str]) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(text)
    result = run("validate", str(file))
    problems = json.loads(result.stdout)
    assert (result.exit_code, len(problems)) == (status, len(said)), result.output
    for problem, words in zip(problems, said, strict=True):
        assert words in problem["problem"]
        assert problem["level"] == ("error" if status == 2 else "warning")


def test_validate_looks_at_the_files_in_force(run: Any, tmp_path: Path) -> None:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "10.yaml").write_text(f'"{LIMITS}": "@"\n')
    found = json.loads(run("validate", rules='"no_such": "@"\n').stdout)
    assert [(Path(row["file"]).name, row["level"]) for row in found] == [
        ("policy.yaml", "error"), ("10.yaml", "warning")]


def test_help_is_worth_a_page(run: Any) -> None:
    for words in ((), ("check",), ("list",), ("sample",), ("validate",)):
        shown = run(*words, "--help")
        assert shown.exit_code == 0
        assert len(shown.stdout) > 300 or words == ("sample",)
    assert "EXIT STATUS" in run("--help").stdout
