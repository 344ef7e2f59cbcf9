# SPDX-License-Identifier: Apache-2.0
"""Security groups: of a server, and the old interface to those of a project and their rules (until 2.35).

Only rules that let packets in are known here; the Networking API shows the others too.
"""

from __future__ import annotations

import re
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.servers import SHOW
from nova.networks import security_rules
from nova.operations.security_groups import Group, Rule, SecurityGroups
from nova.web import paging
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_TEXT: s.Schema = {"type": ["string", "null"], "maxLength": 255}
_ANY: s.Schema = {"type": ["string", "integer", "null"]}
_GROUP = s.wrapped("security_group", s.object_of({"name": _ANY, "description": _ANY}, ("name", "description")))
_MEMBERS: s.Schema = {"parent_group_id": _ANY, "ip_protocol": _TEXT, "from_port": _ANY, "to_port": _ANY, "cidr": _TEXT,
                      "group_id": _ANY}
_CREATE_RULE = s.wrapped("security_group_rule", s.object_of(_MEMBERS, ("parent_group_id",)))
_INDEX = query({"limit": s.NUMBER, "offset": s.NUMBER, "all_tenants": s.TEXT})

_DIGITS = re.compile("[0-9a-f]{32}")
_RULE = "os_compute_api:os-security-groups:"
_OLD = ("2.1", "2.35")
SERVER_ROUTES = (
    Route("GET", "/servers/{server_id}/os-security-groups", "of_server", rule=_RULE + "list", query=SHOW,
          doc="Security groups of a server"),
)
ROUTES = (
    Route("GET", "/os-security-groups", "index", rule=_RULE + "get", versions=_OLD, doc="List security groups",
          query=_INDEX),
    Route("POST", "/os-security-groups", "create", rule=_RULE + "create", body=_GROUP, versions=_OLD,
          doc="Create a security group"),
    Route("GET", "/os-security-groups/{id}", "show", rule=_RULE + "show", versions=_OLD, doc="Show a security group"),
    Route("PUT", "/os-security-groups/{id}", "update", rule=_RULE + "update", body=_GROUP, versions=_OLD,
          doc="Rename a security group"),
    Route("DELETE", "/os-security-groups/{id}", "delete", rule=_RULE + "delete", success=202, versions=_OLD,
          doc="Delete a security group"),
    Route("POST", "/os-security-group-rules", "add_rule", rule=_RULE + "rule:create", body=_CREATE_RULE,
          versions=_OLD, doc="Add a rule"),
    Route("DELETE", "/os-security-group-rules/{id}", "delete_rule", rule=_RULE + "rule:delete", success=202,
          versions=_OLD, doc="Delete a rule"),
)


class SecurityGroupProxy:
    """Handlers of :data:`SERVER_ROUTES` and :data:`ROUTES`."""

    def __init__(self, groups: SecurityGroups, max_limit: int) -> None:
        self._groups = groups
        self._max_limit = max_limit

    def of_server(self, request: Request) -> dict[str, Any]:
        """A server without ports has no groups."""
        return {"security_groups": [_view(g) for g in self._groups.of_server(request.context,
                                                                             request.match["server_id"])]}

    def index(self, request: Request) -> dict[str, Any]:
        everybody = request.context.is_admin and s.is_true(request.arg("all_tenants", ""))
        found = self._groups.list(request.context, all_projects=everybody)
        first = paging.offset_of(request)
        return {"security_groups": [_view(g) for g in found[first:][:paging.limit_of(request, self._max_limit)]]}

    def show(self, request: Request) -> dict[str, Any]:
        return {"security_group": _view(self._groups.get(request.context, _id(request.match["id"])))}

    def create(self, request: Request) -> dict[str, Any]:
        name, description = _texts(request)
        try:
            return {"security_group": _view(self._groups.create(
                request.context, name, description,
                tell=lambda made: request.promise({"security_group": _view(made)})))}
        except errors.Conflict as e:
            raise errors.Invalid(e.message) from e

    def update(self, request: Request) -> dict[str, Any]:
        group = _id(request.match["id"])
        name, description = _texts(request)
        try:
            changed = self._groups.update(request.context, group, {"name": name, "description": description})
        except errors.Conflict as e:
            raise errors.Invalid(e.message) from e
        return {"security_group": _view(changed)}

    def delete(self, request: Request) -> None:
        try:
            self._groups.delete(request.context, _id(request.match["id"]))
        except errors.Conflict as e:
            raise errors.Invalid(e.message) from e

    def add_rule(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["security_group_rule"]
        parent = _id(wanted["parent_group_id"])
        source = _id(wanted["group_id"]) if wanted.get("group_id") is not None else None
        self._groups.get(request.context, parent)
        sources = {source: self._groups.get(request.context, source)} if source else {}

        def answer(rule: Rule) -> dict[str, Any]:
            return {"security_group_rule": _rule_view(rule, sources)}

        try:
            return answer(self._groups.add_rule(request.context, parent, wanted, security_rules.old, source=source,
                                                tell=lambda made: request.promise(answer(made))))
        except errors.Conflict as e:
            raise errors.Invalid(e.message) from e

    def delete_rule(self, request: Request) -> None:
        self._groups.delete_rule(request.context, _id(request.match["id"]))


def _id(value: Any) -> str:
    """Ids were numbers once: such a one names nothing here, anything else that is no uuid makes no sense."""
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) < 32:
        raise errors.NotFound(f"Security group {text} not found.")
    digits = text.replace("-", "").lower()
    if not _DIGITS.fullmatch(digits):
        raise errors.Invalid("Security group id should be uuid")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _texts(request: Request) -> tuple[str, str]:
    """Name and description, as they were sent."""
    wanted, found = request.body_json["security_group"], []
    for field in ("name", "description"):
        if not isinstance(wanted[field], str):
            raise errors.Invalid(f"Security group {field} is not a string or unicode")
        text = wanted[field]
        if len(text) > 255 or (field == "name" and not text.strip()):
            raise errors.Invalid(f"Security group {field} must have 1 to 255 characters.")
        found.append(text)
    return found[0], found[1]


def _view(group: Group) -> dict[str, Any]:
    return {"id": group["uuid"], "name": group["name"], "description": group["description"],
            "tenant_id": group["project_id"], "rules": [
                _rule_view(rule, group["sources"]) for rule in group["rules"] if rule["direction"] == "ingress"]}


def _rule_view(rule: Rule, sources: dict[str, Group]) -> dict[str, Any]:
    low, high, protocol = rule["port_min"], rule["port_max"], rule["protocol"]
    if protocol in ("tcp", "udp") and low is None:
        low, high = 1, 65535
    elif protocol is not None:
        low, high = (-1 if n is None else n for n in (low, high))
    source = sources.get(rule["remote_group"])
    cidr = rule["remote_cidr"] or ("0.0.0.0/0" if rule["ethertype"] == "IPv4" else "::/0")
    return {"id": rule["uuid"], "parent_group_id": rule["group_uuid"], "ip_protocol": protocol, "from_port": low,
            "to_port": high, "group": {"name": source["name"], "tenant_id": source["project_id"]} if source else {},
            "ip_range": {} if rule["remote_group"] else {"cidr": cidr}}
