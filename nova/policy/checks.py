# SPDX-License-Identifier: Apache-2.0
"""From a parsed rule to a function. The language is that of oslo.policy; checks that call out (http) are refused."""

from __future__ import annotations

import ast
import importlib.metadata
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from oslo_policy import _checks, _parser

from nova import errors
from nova.context import RequestContext

#: ``decide(context, effective roles, target)``
Decide = Callable[[RequestContext, frozenset[str], Mapping[str, Any]], bool]

_SUBSTITUTION = re.compile(r"^%\(([^)]+)\)s$")
#: Names that rules use for what the context calls otherwise.
_ALIASES = {"tenant": "project_id", "tenant_id": "project_id", "user": "user_id", "project": "project_id"}
_MISSING = object()
# The parser would log each rule that it cannot read with a traceback; it is told as an error in our own words.
logging.getLogger("oslo_policy._parser").setLevel(logging.CRITICAL)


def compile_rules(texts: Mapping[str, str]) -> dict[str, Decide]:
    """All rules as functions. A rule may name another, so each is bound when first asked. Cycles are refused."""
    parsed = {name: parse(name, text) for name, text in texts.items()}
    compiled: dict[str, Decide] = {}
    for name in parsed:
        _compile_rule(name, parsed, compiled, ())
    return compiled


def parse(name: str, text: str) -> Any:
    """A rule as oslo.policy understands it; its ``str`` is the rule in one way of writing."""
    check = _parser.parse_rule(text)
    # The parser answers nonsense with a check that denies; said aloud is better.
    if isinstance(check, _checks.FalseCheck) and text.strip() != "!":
        raise errors.ConfigError(f"policy rule {name}: {text!r} cannot be understood; correct it in the policy file")
    return check


def references(check: Any) -> set[str]:
    """The rules that a parsed rule names."""
    if isinstance(check, _checks.RuleCheck):
        return {str(check.match)}
    inner = [check.rule] if isinstance(check, _checks.NotCheck) else getattr(check, "rules", ())
    return set().union(*(references(rule) for rule in inner))


def _compile_rule(name: str, parsed: Mapping[str, Any], compiled: dict[str, Decide], above: tuple[str, ...]) -> Decide:
    if name in compiled:
        return compiled[name]
    if name in above:
        raise errors.ConfigError(f"policy rule {name} refers to itself through {' → '.join(above)}")
    if name not in parsed:
        return _never  # a reference to nothing fails closed
    compiled[name] = _compile(parsed[name], parsed, compiled, (*above, name))
    return compiled[name]


def _compile(check: Any, parsed: Mapping[str, Any], compiled: dict[str, Decide], above: tuple[str, ...]) -> Decide:
    def below(inner: Any) -> Decide:
        return _compile(inner, parsed, compiled, above)

    if isinstance(check, _checks.TrueCheck):
        return _always
    if isinstance(check, _checks.FalseCheck):
        return _never
    if isinstance(check, _checks.NotCheck):
        inner = below(check.rule)
        return lambda context, roles, target: not inner(context, roles, target)
    if isinstance(check, _checks.AndCheck):
        return _all([below(rule) for rule in check.rules])
    if isinstance(check, _checks.OrCheck):
        return _any([below(rule) for rule in check.rules])
    if isinstance(check, _checks.RuleCheck):
        return _compile_rule(check.match, parsed, compiled, above)
    if isinstance(check, _checks.RoleCheck):
        return _role(check.match)
    if type(check) is _checks.GenericCheck and not _is_foreign(check.kind):
        return _generic(check.kind, check.match)
    raise errors.ConfigError(f"policy rule {above[-1]}: the check {check} is not supported; "
                             "use role, rule and attributes")


def _is_foreign(kind: str) -> bool:
    """Whether a package beside oslo.policy brings this kind of check, as ``http`` is one."""
    if kind in _ALIASES or hasattr(RequestContext, kind) or not kind.isidentifier():
        return False
    return bool(importlib.metadata.entry_points(group="oslo.policy.rule_checks", name=kind))


def _always(context: RequestContext, roles: frozenset[str], target: Mapping[str, Any]) -> bool:
    return True


def _never(context: RequestContext, roles: frozenset[str], target: Mapping[str, Any]) -> bool:
    return False


def _all(inner: list[Decide]) -> Decide:
    def decide(context: RequestContext, roles: frozenset[str], target: Mapping[str, Any]) -> bool:
        for one in inner:
            if not one(context, roles, target):
                return False
        return True

    return decide


def _any(inner: list[Decide]) -> Decide:
    def decide(context: RequestContext, roles: frozenset[str], target: Mapping[str, Any]) -> bool:
        for one in inner:
            if one(context, roles, target):
                return True
        return False

    return decide


def _role(match: str) -> Decide:
    if "%(" in match:
        expected = _from_target(match)
        return lambda context, roles, target: str(expected(target)).lower() in roles
    name = match.lower()
    return lambda context, roles, target: name in roles


def _generic(kind: str, match: str) -> Decide:
    expected = _from_target(match)
    try:
        literal = str(ast.literal_eval(kind))
    except (ValueError, SyntaxError):
        attribute = _ALIASES.get(kind, kind)

        def decide(context: RequestContext, roles: frozenset[str], target: Mapping[str, Any]) -> bool:
            value = getattr(context, attribute, _MISSING)
            return value is not _MISSING and str(value) == expected(target)

        return decide
    return lambda context, roles, target: literal == expected(target)


def _from_target(match: str) -> Callable[[Mapping[str, Any]], Any]:
    """What the right side of a check stands for; None when the target lacks it, which equals nothing."""
    simple = _SUBSTITUTION.match(match)
    if simple:
        name = simple[1]

        def look_up(target: Mapping[str, Any]) -> Any:
            value = target.get(name, _MISSING)
            return None if value is _MISSING or value is None else str(value)

        return look_up
    if "%(" not in match:
        return lambda target: match

    def substitute(target: Mapping[str, Any]) -> Any:
        try:
            return match % target
        except KeyError:
            return None

    return substitute
