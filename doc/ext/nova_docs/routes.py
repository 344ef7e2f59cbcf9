# SPDX-License-Identifier: Apache-2.0
"""``.. nova-routes:: /compute/v2.1``: the routes of a front, read from the very application that nova-api serves."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from docutils import nodes
from oslo_config import cfg
from oslo_policy import policy as oslo_policy
from sphinx.util.docutils import SphinxDirective

from nova import conf as options
from nova.cells import Cells
from nova.clients.nudges import Sender
from nova.cmd.wiring import fronts
from nova.cmd.wiring.control import ControlPlane
from nova.db.engine import Database
from nova.policy import base
from nova.web.front import Front
from nova.web.routing import ANYONE, Route
from nova_docs.tables import code, section, table

_COLUMNS = ("Request", "What", "Rule", "Who by default", "Microversions", "Success")
_WIDTHS = (30, 24, 26, 10, 9, 6)
_PERSONAS = {base.ADMIN: "admin", base.MANAGER: "manager", base.MEMBER: "member", base.READER: "reader",
             base.SERVICE: "service", base.OWNER_USER: "the user himself", base.ANY: "any user", base.NOBODY: "nobody"}


class _NoBus:
    """Nothing is sent while routes are listed."""

    def check(self, timeout: float = 0.0) -> None:
        return None


@functools.cache
def served() -> tuple[Mapping[str, Front], Mapping[str, oslo_policy.RuleDefault]]:
    """The fronts by path prefix, and the rules that they ask for."""
    conf = options.load("documentation", [], config_files=[], conf=cfg.ConfigOpts())
    with tempfile.TemporaryDirectory() as state:
        conf.set_override("state_path", state)
        database = Database("sqlite://")
        cells = Cells(database, lambda row: (database, None))
        libraries = fronts.Libraries.of(ControlPlane(conf, database, cells, _NoBus()))
        found = dict(_fronts(fronts.application_of(libraries, Sender())))
        database.dispose()
    return found, libraries.policy.defaults


def _fronts(application: Any, prefix: str = "") -> Iterator[tuple[str, Front]]:
    if isinstance(application, Front):
        yield prefix, application
        return
    for path, mounted in getattr(application, "mounts", ()):
        yield from _fronts(mounted, prefix + path)


def versions(route: Route) -> str:
    if route.versions is None:
        return "all"
    first, last = route.versions
    return f"{first} – {last}" if last else f"{first} –"


def who(route: Route, rules: Mapping[str, oslo_policy.RuleDefault]) -> str:
    """The persona whom the shipped rule lets in."""
    if route.rule is None:
        return "everybody"
    if route.rule == ANYONE:
        return _PERSONAS[base.ANY]
    return _PERSONAS.get(str(rules[route.rule].check_str), str(rules[route.rule].check_str))


def noun(route: Route) -> str:
    """The first literal of the path, by which routes are put together; deeper nouns of a server have their own."""
    parts = [part for part in route.path.strip("/").split("/") if "{" not in part]
    return "/".join(parts[:2]) if parts[:1] in (["servers"], ["v2"], ["v3"]) else (parts or [""])[0]


class RoutesDirective(SphinxDirective):
    """One section per noun with a table of its routes. The argument is the path prefix of the front."""

    required_arguments = 1
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        prefix = self.arguments[0]
        known, rules = served()
        if prefix not in known:
            raise self.error(f"nova-api serves nothing at {prefix}; it does at {', '.join(sorted(known))}")
        by_noun: dict[str, list[Route]] = {}
        for route in known[prefix].routes:
            by_noun.setdefault(noun(route), []).append(route)
        return [self._section(prefix, name, routes, rules) for name, routes in sorted(by_noun.items())]

    def _section(self, prefix: str, name: str, routes: list[Route],
                 rules: Mapping[str, oslo_policy.RuleDefault]) -> nodes.section:
        identifier = re.sub(r"[^a-z0-9]+", "-", f"{prefix}-{name or 'root'}".lower()).strip("-")
        rows = [(code(route.template), route.doc, code(route.rule) if route.rule else "–", who(route, rules),
                 versions(route), str(route.success)) for route in routes]
        return section(name or "/", identifier, table(_COLUMNS, rows, _WIDTHS))
