# SPDX-License-Identifier: Apache-2.0
"""The rules that other rules are made of: the personas admin, manager, member, reader and service."""

from __future__ import annotations

from oslo_policy import _checks, policy

# To read a rule, the parser would load all checks that other packages bring, an HTTP client among them, which takes
# longer than all our rules. None of them is supported; nova.policy.checks knows one when it meets it.
_checks.extension_checks = {}

ADMIN = "rule:context_is_admin"
MANAGER = "rule:project_manager_or_admin"
MEMBER = "rule:project_member_or_admin"
READER = "rule:project_reader_or_admin"
SERVICE = "rule:service_or_admin"
OWNER_USER = "rule:context_is_admin or user_id:%(user_id)s"
ANY = "@"
NOBODY = "!"

_SAME_PROJECT = "project_id:%(project_id)s"

BASE = [
    policy.RuleDefault("context_is_admin", "role:admin", "The caller is an administrator of the cloud."),
    policy.RuleDefault("admin_api", "rule:context_is_admin", "What only administrators may do."),
    policy.RuleDefault("service_api", "role:service", "The caller is another service of the cloud."),
    policy.RuleDefault("service_or_admin", "rule:service_api or rule:context_is_admin",
                       "Calls between services."),
    *(policy.RuleDefault(f"project_{role}_api", f"role:{role} and {_SAME_PROJECT}",
                         f"The caller is {role} of the project that owns the resource.")
      for role in ("manager", "member", "reader")),
    *(policy.RuleDefault(f"project_{role}_or_admin", f"rule:project_{role}_api or rule:context_is_admin",
                         f"The caller is {role} of the owning project, or an administrator.")
      for role in ("manager", "member", "reader")),
    policy.RuleDefault("admin_or_owner", f"rule:context_is_admin or {_SAME_PROJECT}",
                       "Kept for policy files of old; no rule of ours uses it."),
]


def rules(prefix: str, table: str, scope: tuple[str, ...] | None = None) -> list[policy.RuleDefault]:
    """Rules from a table of lines ``who  name, name …  # what``; ``who`` is one of the personas above.

    ``scope``: what kind of token may ask at all (``project``); None: any.
    """
    personas = {"admin": ADMIN, "manager": MANAGER, "member": MEMBER, "reader": READER, "service": SERVICE,
                "owner-user": OWNER_USER, "any": ANY, "nobody": NOBODY}
    made = []
    for line in table.strip().splitlines():
        columns, _, description = line.partition("#")
        who, names = columns.split(None, 1)
        for name in names.replace(",", " ").split():
            made.append(policy.RuleDefault(prefix + name, personas[who], description.strip(),
                                           scope_types=list(scope) if scope else None))
    return made
