# SPDX-License-Identifier: Apache-2.0
"""Who may do what: rules of oslo.policy with our defaults, overridden by the operator's YAML files.

    policy = Policy(conf, rules=compute.RULES)
    policy.authorize(context, "os_compute_api:servers:show", {"project_id": owner})

Rules are parsed by oslo.policy and evaluated by closures of our own (:mod:`nova.policy.checks`): a decision costs a
microsecond instead of two hundred.
"""

from __future__ import annotations

import functools
import logging
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from oslo_config import cfg
from oslo_policy import opts as oslo_opts
from oslo_policy import policy as oslo_policy

from nova import errors
from nova.context import RequestContext
from nova.policy import checks
from nova.policy.base import BASE

LOG = logging.getLogger(__name__)


class Policy:
    """The rules in force. ``reload`` reads the operator's files again (SIGHUP); a bad file then changes nothing."""

    def __init__(self, conf: cfg.ConfigOpts | None = None, *, rules: Iterable[oslo_policy.RuleDefault] = ()) -> None:
        self._conf = conf
        self._defaults = {rule.name: rule for rule in (*BASE, *rules)}
        if conf is not None:
            oslo_opts.set_defaults(conf, policy_file="policy.yaml")
        self._compiled = self._load()

    @property
    def defaults(self) -> Mapping[str, oslo_policy.RuleDefault]:
        """The rules registered from code, for documentation and samples."""
        return self._defaults

    def reload(self) -> None:
        try:
            self._compiled = self._load()
        except errors.ConfigError as e:
            LOG.error("Policy files not reloaded, the former rules stay in force: %s", e.message)

    def check(self, context: RequestContext, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller may do ``rule`` to ``target``; by default to what belongs to himself and his project."""
        decide = self._compiled.get(rule)
        if decide is None:
            LOG.error("Policy rule %s does not exist; denied", rule)
            return False
        if target is None:
            target = {"project_id": context.project_id, "user_id": context.user_id}
        return decide(context, effective_roles(context.roles), target)

    def authorize(self, context: RequestContext, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """Raise :class:`errors.Forbidden` unless :meth:`check` allows it."""
        if not self.check(context, rule, target):
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def _load(self) -> dict[str, checks.Decide]:
        texts: dict[str, str] = {name: str(rule.check_str) for name, rule in self._defaults.items()}
        for path in self._files():
            texts.update(_read(path))
        return checks.compile_rules(texts)

    def _files(self) -> list[pathlib.Path]:
        if self._conf is None:
            return []
        found = self._conf.find_file(self._conf.oslo_policy.policy_file)
        files = [pathlib.Path(found)] if found else []
        for name in self._conf.oslo_policy.policy_dirs:
            directory = self._conf.find_file(name)
            if directory:
                files += sorted(p for p in pathlib.Path(directory).iterdir() if p.suffix in (".yaml", ".yml", ".json"))
        return files


_IMPLIED = {"admin": ("manager", "member", "reader"), "manager": ("member", "reader"), "member": ("reader",)}


@functools.lru_cache(maxsize=4096)
def effective_roles(roles: tuple[str, ...]) -> frozenset[str]:
    """Role names in lower case with the ones they imply: admin ⊃ manager ⊃ member ⊃ reader."""
    names = {role.lower() for role in roles}
    return frozenset(names.union(*(_IMPLIED.get(name, ()) for name in names)))


def _read(path: pathlib.Path) -> dict[str, str]:
    remedy = "correct the file that [oslo_policy] policy_file or policy_dirs names"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise errors.ConfigError(f"policy file {path} cannot be read: {str(e).splitlines()[0]}; {remedy}") from e
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in content.items()):
        raise errors.ConfigError(f"policy file {path} is not a mapping of rule names to rules; {remedy}")
    return content


__all__ = ["Policy", "effective_roles"]
