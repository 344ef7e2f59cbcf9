# SPDX-License-Identifier: Apache-2.0
"""The rules that operators know, with the defaults that they know, and nothing that nobody asks for."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from oslo_config import cfg

from nova.api.compute import application
from nova.cmd.policy import operations
from nova.context import RequestContext
from nova.policy import Policy, base, compute
from tests.api.compute.conftest import Api

WHO = {"admin": base.ADMIN, "manager": base.MANAGER, "member": base.MEMBER, "reader": base.READER,
       "service": base.SERVICE, "owner-user": base.OWNER_USER, "any": base.ANY, "nobody": base.NOBODY}
#: How many rules there are for whom, as the reference counts them.
COUNTS = {"admin": 73, "member": 68, "reader": 42, "manager": 6, "service": 4, "any": 5, "owner-user": 4, "nobody": 1}
MEMBER, STRANGER = (RequestContext(user_id="u", project_id="p", roles=(role,)) for role in ("member", "odd"))
SHOW, LIST = "os_compute_api:servers:show", "os_compute_api:os-services:list"


def wanted() -> dict[str, str]:
    with Path(__file__).with_name("rules.tsv").open(newline="") as file:
        return {row["rule"]: row["who"] for row in csv.DictReader(file, delimiter="\t")}


def test_there_are_214_rules_with_the_defaults_of_the_reference() -> None:
    known, expected = {rule.name: rule for rule in compute.RULES}, wanted()
    assert len(expected) + len(base.BASE) == 214
    assert Counter(expected.values()) == COUNTS
    assert {name: str(known[name].check_str) for name in expected} == {n: WHO[w] for n, w in expected.items()}
    assert {name for name in expected if known[name].scope_types != ["project"]} == set()


def test_rules_of_our_own_belong_to_routes() -> None:
    """Each, or the one that it refines, is the rule of a route."""
    own = {rule.name for rule in compute.RULES} - set(wanted())
    assert {name for name in own if not {name, name.rpartition(":")[0]} & set(operations())} == set()


def test_every_rule_of_a_route_is_told_by_the_command(api: Api) -> None:
    served = {(route.rule, route.template) for resource in application.resources(api.deps)
              for route in resource.routes if route.rule and "os-volumes_boot" not in route.path}
    told = {(rule, template) for rule, templates in operations().items() for template in templates}
    assert served - told == set()


def _policy(folder: Path, text: str = "", look_every: float = 1.0, **options: bool) -> Policy:
    (folder / "policy.yaml").write_text(text)
    conf = cfg.ConfigOpts()
    (folder / "nova.conf").write_text("[oslo_policy]\n" + "".join(f"{k} = {v}\n" for k, v in options.items()))
    conf([], default_config_files=[str(folder / "nova.conf")], default_config_dirs=[])
    return Policy(conf, rules=compute.RULES, look_every=look_every)


def test_a_token_of_the_whole_system_is_not_for_projects(tmp_path: Path) -> None:
    policy = _policy(tmp_path)
    admin = RequestContext(user_id="u", roles=("admin",), system_scope="all")
    assert not policy.check(admin, LIST)
    assert policy.check(RequestContext(user_id="u", project_id="p", roles=("admin",)), LIST)


def test_without_the_new_defaults_whoever_is_in_the_project_may(tmp_path: Path) -> None:
    assert not _policy(tmp_path).check(STRANGER, SHOW)
    old = _policy(tmp_path, enforce_new_defaults=False)
    assert old.check(STRANGER, SHOW)
    assert not old.check(STRANGER, SHOW, {"project_id": "q"})
    assert not old.check(STRANGER, LIST)


def test_a_file_that_changes_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = _policy(tmp_path, look_every=0.0)
    assert not policy.check(MEMBER, LIST)
    (tmp_path / "policy.yaml").write_text(f'"{LIST}": "role:member"\n')
    assert policy.check(MEMBER, LIST)
    (tmp_path / "policy.yaml").write_text(f'"{LIST}": "role:member and ("\n')
    for _ in range(3):
        assert policy.check(MEMBER, LIST)
    assert sum("not reloaded" in record.message for record in caplog.records) == 1
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "1.yaml").write_text(f'"{LIST}": "!"\n')
    (tmp_path / "policy.yaml").write_text("")
    assert not policy.check(MEMBER, LIST)
