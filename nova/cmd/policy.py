# SPDX-License-Identifier: Apache-2.0
"""nova-policy: which rules there are, which let somebody do something, and what is wrong with a policy file."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import pathlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NoReturn

import click
from oslo_config import cfg

from nova import conf as options
from nova.api import compute, identity, image, placement
from nova.cmd.commandline import Tool
from nova.cmd.manage.tool import State, operators_tool
from nova.context import RequestContext
from nova.policy import Policy, files, files_of, sample
from nova.web.routing import Route

#: The APIs whose routes ask for rules.
_APIS = (compute, identity, image, placement)


class PolicyState(State):
    """The configuration and the rules in force."""

    @functools.cached_property
    def conf(self) -> Any:
        arguments = [word for file in self._files or () for word in ("--config-file", file)]
        return options.load(self.prog, arguments, conf=cfg.ConfigOpts())

    @functools.cached_property
    def policy(self) -> Policy:
        return Policy(self.conf, rules=[rule for title, rules in sample.GROUPS[1:] for rule in rules])


@operators_tool("nova-policy", PolicyState)
def nova_policy() -> None:
    """Look at the rules that decide who may do what.

    The rules in force are the defaults of the code, overridden by the file that [oslo_policy] policy_file names
    (policy.yaml beside nova.conf) and by the files in [oslo_policy] policy_dirs (policy.d), in the order of their
    names. Running services read a changed file again within a second, and on SIGHUP; a file with an error changes
    nothing and is logged.

    \b
    EXAMPLES
      What may a reader of a project do with servers?
        nova-policy check --os-roles reader --api-name 'os_compute_api:servers:*'
      May a member delete a server of another project?
        nova-policy check --os-roles member --os-tenant-id p1 --api-name '*:servers:delete' --target project_id=p2
      Is a file good before it is put in place?
        nova-policy validate ./policy.yaml && cp policy.yaml /etc/nova/

    \b
    FILES
      /etc/nova/policy.yaml, /etc/nova/policy.d/*.yaml

    \b
    EXIT STATUS
      0 all is well; 1 nothing passes, warnings, or a wrong configuration; 2 wrong usage, or a file with errors.
    """


_API_NAME = click.option("--api-name", metavar="GLOB", default="*", show_default=True,
                         help="Only rules whose names match, e.g. 'os_compute_api:os-keypairs:*'.")


@nova_policy.command("check")
@_API_NAME
@click.option("--target", "targets", multiple=True, metavar="KEY=VALUE",
              help="An attribute of the resource, e.g. project_id=… or user_id=…; may be repeated, and further pairs "
                   "may follow. Default: a resource of the caller's own.")
@click.option("--os-roles", "roles", metavar="ROLE[,ROLE…]", default="", envvar="OS_ROLES",
              help="The roles of the caller. admin implies manager, manager member, member reader.  [env: OS_ROLES]")
@click.option("--os-user-id", "user_id", metavar="ID", envvar="OS_USER_ID", help="The caller.  [env: OS_USER_ID]")
@click.option("--os-tenant-id", "--os-project-id", "project_id", metavar="ID", envvar=["OS_TENANT_ID", "OS_PROJECT_ID"],
              help="The project of the caller's token.  [env: OS_TENANT_ID, OS_PROJECT_ID]")
@click.option("--os-system-scope", "system_scope", metavar="SCOPE", help="'all' for a token of the whole system.")
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
@click.pass_obj
def check(state: PolicyState, api_name: str, targets: tuple[str, ...], roles: str, user_id: str | None,
          project_id: str | None, system_scope: str | None, more: tuple[str, ...]) -> None:
    """Print the rules that let a caller pass.

    Exit status: 0 at least one rule passes, 1 none does, 2 no rule has such a name.
    """
    who = RequestContext(user_id=user_id or "the-caller", project_id=project_id or "the-project",
                         roles=tuple(role.strip() for role in roles.split(",") if role.strip()),
                         system_scope=system_scope)
    target = _target([*targets, *more])
    names = _matching(state.policy, api_name)
    passing = [name for name in names if state.policy.check(who, name, target)]
    state.show(["Rule"], [[name] for name in passing])
    raise SystemExit(0 if passing else 1)


def _target(pairs: list[str]) -> dict[str, str] | None:
    target: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--target")
        target[key] = value
    return target or None


def _matching(policy: Policy, api_name: str) -> list[str]:
    names = sorted(fnmatch.filter(policy.defaults, api_name))
    if not names:
        raise click.BadParameter(f"no rule matches {api_name!r}; nova-policy list shows all", param_hint="--api-name")
    return names


@nova_policy.command("list")
@_API_NAME
@click.option("--changed", is_flag=True, help="Only rules that a file overrides.")
@click.pass_obj
def list_rules(state: PolicyState, api_name: str, changed: bool) -> None:
    """Print rules with what is in force, what they decide, and whether a file overrides them."""
    texts, decides = state.policy.texts(), operations()
    rows = []
    for name in _matching(state.policy, api_name):
        rule = state.policy.defaults[name]
        overridden = texts[name] != str(rule.check_str)
        if overridden or not changed:
            rows.append([name, texts[name], "yes" if overridden else "no", ", ".join(rule.scope_types or ["any"]),
                         "; ".join(decides.get(name, ())), rule.description])
    state.show(["Rule", "Check", "Overridden", "Scope", "Operations", "Description"], rows)


@nova_policy.command("sample")
@click.option("-o", "--output-file", type=click.Path(dir_okay=False, writable=True, path_type=pathlib.Path),
              metavar="FILE", help="Where to write; without it, to standard output.")
def print_sample(output_file: pathlib.Path | None) -> None:
    """Print a policy file with every rule as a comment: default, description, operations, scope."""
    text = sample.render(operations())
    if output_file is None:
        click.echo(text, nl=False)
    else:
        output_file.write_text(text, encoding="utf-8")


@nova_policy.command("validate")
@click.argument("paths", nargs=-1, metavar="[FILE]...",
                type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@click.pass_obj
def validate(state: PolicyState, paths: tuple[pathlib.Path, ...]) -> None:
    """Say what is wrong with policy files; without FILE, with those that are in force.

    Errors: syntax, a rule that nothing asks for, a reference to a rule that does not exist, rules in a circle, a name
    that is written twice. Warning: an entry that says what the default says.

    Exit status: 0 nothing, 1 warnings, 2 errors.
    """
    defaults = {rule.name: str(rule.check_str) for rule in sample.all_rules()}
    rows, worst = [], 0
    for path in paths or files_of(state.conf):
        for problem in files.problems(path, defaults):
            worst = max(worst, problem.level)
            rows.append([str(path), problem.level.name.lower(), problem.rule, problem.text])
    state.show(["File", "Level", "Rule", "Problem"], rows)
    raise SystemExit(int(worst))


@nova_policy.group("policy", cls=Tool)
def policy_group() -> None:
    """The same check under the name that scripts of old use."""


policy_group.add_command(check)


@functools.cache
def operations() -> dict[str, list[str]]:
    """What each rule decides: the operations of all APIs whose routes name it."""
    found: dict[str, list[str]] = {}
    for api in _APIS:
        for route in routes(api):
            if route.rule is not None:
                told = re.sub(r"{(\w+):[^}]*}", r"{\1}", route.template)
                known = found.setdefault(route.rule, [])
                if told not in known:
                    known.append(told)
    return {rule: sorted(told) for rule, told in found.items()}


def routes(package: ModuleType) -> Iterator[Route]:
    """The routes in the tables of a package's modules."""
    for module in pkgutil.iter_modules(package.__path__):
        for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
            yield from _routes_in(value)


def _routes_in(value: Any) -> Iterator[Route]:
    if isinstance(value, (tuple, list)):
        for item in value:
            if isinstance(item, Route):
                yield item


def main() -> NoReturn:
    nova_policy.main(prog_name="nova-policy", standalone_mode=True)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
