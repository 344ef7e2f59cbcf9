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

from nova import concurrency, errors
from nova.context import RequestContext
from nova.policy import checks
from nova.policy.base import BASE, MEMBER, READER

LOG = logging.getLogger(__name__)

class Policy:
    """The rules in force. ``reload`` reads the operator's files again (SIGHUP); a bad file then changes nothing.

    A file that changes is read again by itself, ``look_every`` seconds later at most.
    """

    def __init__(self, conf: cfg.ConfigOpts | None = None, *, rules: Iterable[oslo_policy.RuleDefault] = (),
                 look_every: float = 1.0) -> None:
        self._conf, self._look_every = conf, look_every
        self._defaults = {rule.name: rule for rule in (*BASE, *rules)}
        if conf is not None:
            oslo_opts.set_defaults(conf, policy_file="policy.yaml")
        self._for_projects = frozenset(rule.name for rule in self._defaults.values()
                                       if rule.scope_types and "system" not in rule.scope_types)
        self._look_at, self._seen = 0.0, self._stamps()
        self._compiled = self._load()

    @property
    def defaults(self) -> Mapping[str, oslo_policy.RuleDefault]:
        """The rules registered from code, for documentation and samples."""
        return self._defaults

    def texts(self) -> dict[str, str]:
        """The rules in force as they are written: those of the files, and the defaults of all others."""
        texts: dict[str, str] = {name: self._default(rule) for name, rule in self._defaults.items()}
        for path in self._files():
            texts.update(read(path))
        return texts

    def reload(self) -> None:
        self._seen = self._stamps()
        try:
            self._compiled = self._load()
        except errors.ConfigError as e:
            LOG.error("Policy files not reloaded, the former rules stay in force: %s", e.message)

    def check(self, context: RequestContext, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller may do ``rule`` to ``target``; by default to what belongs to himself and his project."""
        if self._conf is not None and concurrency.monotonic() >= self._look_at:
            self._look()
        decide = self._compiled.get(rule)
        if decide is None:
            LOG.error("Policy rule %s does not exist; denied", rule)
            return False
        if context.system_scope and rule in self._for_projects:
            return False
        if target is None:
            target = {"project_id": context.project_id, "user_id": context.user_id}
        return decide(context, effective_roles(context.roles), target)

    def authorize(self, context: RequestContext, rule: str, target: Mapping[str, Any] | None = None) -> None:
        """Raise :class:`errors.Forbidden` unless :meth:`check` allows it."""
        if not self.check(context, rule, target):
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def _load(self) -> dict[str, checks.Decide]:
        return checks.compile_rules(self.texts())

    def _default(self, rule: oslo_policy.RuleDefault) -> str:
        """Without ``[oslo_policy] enforce_new_defaults`` whoever belongs to a project may what its readers and
        members may, as it was before there were such roles."""
        text = str(rule.check_str)
        if self._conf is None or self._conf.oslo_policy.enforce_new_defaults or text not in (MEMBER, READER):
            return text
        return f"{text} or rule:admin_or_owner"

    def _files(self) -> list[pathlib.Path]:
        return files_of(self._conf) if self._conf is not None else []

    def _look(self) -> None:
        self._look_at = concurrency.monotonic() + self._look_every
        if self._stamps() != self._seen:
            self.reload()

    def _stamps(self) -> list[tuple[str, int, int]]:
        found = []
        for path in self._files():
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
        return found


def files_of(conf: cfg.ConfigOpts) -> list[pathlib.Path]:
    """The operator's files in the order in which they are read."""
    oslo_opts.set_defaults(conf, policy_file="policy.yaml")
    found = conf.find_file(conf.oslo_policy.policy_file)
    files = [pathlib.Path(found)] if found else []
    for name in conf.oslo_policy.policy_dirs:
        directory = conf.find_file(name)
        if directory:
            files += sorted(p for p in pathlib.Path(directory).glob("*") if p.suffix in (".yaml", ".yml", ".json"))
    return files


_IMPLIED = {"admin": ("manager", "member", "reader"), "manager": ("member", "reader"), "member": ("reader",)}


@functools.lru_cache(maxsize=4096)
def effective_roles(roles: tuple[str, ...]) -> frozenset[str]:
    """Role names in lower case with the ones they imply: admin ⊃ manager ⊃ member ⊃ reader."""
    names = {role.lower() for role in roles}
    return frozenset(names.union(*(_IMPLIED.get(name, ()) for name in names)))


def read(path: pathlib.Path) -> dict[str, str]:
    """The rules of one file. Raises :class:`errors.ConfigError`."""
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


__all__ = ["Policy", "effective_roles", "files_of", "read"]
