# SPDX-License-Identifier: Apache-2.0
"""Rules decide by role and owner, an operator's file overrides them, and a bad file is refused with its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg
from oslo_policy import policy as oslo_policy

from nova import errors
from nova.context import RequestContext
from nova.policy import Policy, compute

OWN, FOREIGN = {"project_id": "p", "user_id": "u"}, {"project_id": "q", "user_id": "x"}
PERSONAS = {name: RequestContext(user_id="u", project_id="p", roles=(name,)) for name in (
    "admin", "manager", "member", "reader", "service", "stranger")}
#: Rule → who may do it to what is his own, who to what is another's.
EXPECTED = {
    "os_compute_api:servers:show": ("admin manager member reader", "admin"),
    "os_compute_api:servers:create": ("admin manager member", "admin"),
    "os_compute_api:os-migrate-server:migrate": ("admin manager", "admin"),
    "os_compute_api:os-services:list": ("admin", "admin"),
    "os_compute_api:os-server-external-events:create": ("admin service", "admin service"),
    "os_compute_api:limits": ("admin manager member reader service stranger",) * 2,
    "os_compute_api:os-keypairs:show": ("admin manager member reader service stranger", "admin"),
    "compute:servers:resize:cross_cell": ("", ""),
}


@pytest.mark.parametrize("rule", EXPECTED)
def test_personas(rule: str) -> None:
    policy = Policy(rules=compute.RULES)
    for target, allowed in zip((OWN, FOREIGN), EXPECTED[rule], strict=True):
        assert {name for name, who in PERSONAS.items() if policy.check(who, rule, target)} == set(allowed.split())


def test_the_default_target_is_the_callers_own() -> None:
    policy = Policy(rules=compute.RULES)
    policy.authorize(PERSONAS["reader"], "os_compute_api:servers:show")
    with pytest.raises(errors.Forbidden, match="^Policy doesn't allow os_compute_api:servers:delete to be performed.$"):
        policy.authorize(PERSONAS["reader"], "os_compute_api:servers:delete")


def test_a_target_without_an_owner_belongs_to_nobody() -> None:
    policy = Policy(rules=compute.RULES)
    nobody = RequestContext(roles=("member",))
    assert not policy.check(nobody, "os_compute_api:servers:show", {"project_id": None})
    assert not policy.check(nobody, "os_compute_api:servers:show", {})


def test_an_unknown_rule_denies(caplog: pytest.LogCaptureFixture) -> None:
    assert not Policy().check(PERSONAS["admin"], "os_compute_api:no-such-rule")
    assert "no-such-rule" in caplog.text


def test_every_rule_has_a_check_and_is_named_once() -> None:
    names = [rule.name for rule in compute.RULES]
    assert len(names) == len(set(names))
    assert all(rule.description for rule in compute.RULES)


@pytest.mark.parametrize(("text", "expected"), [
    ("role:member and not role:admin", "manager member"), ("rule:context_is_admin or role:service", "admin service"),
    ("user_id:%(user_id)s and role:reader", "admin manager member reader"), ("'p':%(project_id)s and role:service",
                                                                             "service"),
    ("tenant:%(project_id)s and role:manager", "admin manager"), ("rule:no_such_rule", ""), ("!", ""),
    ("(role:admin or role:service) and project_id:p", "admin service"), ("is_admin:False and role:reader",
                                                                         "admin manager member reader")])
def test_the_language(text: str, expected: str) -> None:
    policy = Policy(rules=[oslo_policy.RuleDefault("x", text)])
    assert {name for name, who in PERSONAS.items() if policy.check(who, "x", OWN)} == set(expected.split())


def _conf(path: Path) -> cfg.ConfigOpts:
    (path / "nova.conf").write_text("")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path / "nova.conf")], default_config_dirs=[])
    return conf


def test_files_override_and_reload(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"os_compute_api:os-services:list": "role:reader"\n')
    policy = Policy(_conf(tmp_path), rules=compute.RULES)
    assert policy.check(PERSONAS["reader"], "os_compute_api:os-services:list")
    file.write_text("")
    policy.reload()
    assert not policy.check(PERSONAS["reader"], "os_compute_api:os-services:list")
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "10.yaml").write_text('"os_compute_api:limits": "!"\n')
    policy.reload()
    assert not policy.check(PERSONAS["admin"], "os_compute_api:limits")


@pytest.mark.parametrize("content", ["- a list\n", "rule: [1]\n", ": :\n  - {", "x: 'role:a and'\n",
                                     "x: 'rule:y'\ny: 'rule:x'\n", "x: 'http://decide/%(name)s'\n"])
def test_bad_files_are_refused_and_change_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("")
    conf = _conf(tmp_path)
    running = Policy(conf, rules=compute.RULES)
    file.write_text(content)
    with pytest.raises(errors.ConfigError, match="policy"):
        Policy(conf, rules=compute.RULES)
    running.reload()
    assert running.check(PERSONAS["reader"], "os_compute_api:servers:show")
