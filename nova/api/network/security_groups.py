# SPDX-License-Identifier: Apache-2.0
"""``/v2.0/security-groups`` and ``/v2.0/security-group-rules``."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.network import schemas as s
from nova.api.network import wire
from nova.networks import security_rules
from nova.operations.security_groups import Group, Rule, SecurityGroups
from nova.web.request import Request
from nova.web.routing import Resource, Route
from nova.web.timestamps import iso

_GROUPS, _RULES = "/v2.0/security-groups", "/v2.0/security-group-rules"
_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_CREATE = s.wrapped("security_group", s.PROJECT | {"name": _NAME, "description": s.TEXT, "stateful": s.TRUE}, ("name",))
_UPDATE = s.wrapped("security_group", {"name": _NAME, "description": s.TEXT, "stateful": s.TRUE})
_PORT = {"type": ["integer", "null"], "minimum": -1, "maximum": 65535}
_TEXT_OR_NULL = {"type": ["string", "null"], "maxLength": 255}
_CREATE_RULE = s.wrapped("security_group_rule", s.PROJECT | {
    "security_group_id": s.UUID, "direction": {"enum": ["ingress", "egress"]}, "ethertype": {"enum": ["IPv4", "IPv6"]},
    "protocol": {"type": ["string", "integer", "null"], "maxLength": 40}, "port_range_min": _PORT,
    "port_range_max": _PORT, "remote_ip_prefix": _TEXT_OR_NULL, "remote_group_id": _TEXT_OR_NULL,
    "description": s.TEXT}, ("security_group_id", "direction"))
ROUTES = (
    Route("GET", _GROUPS, "index", rule="get_security_group", doc="List security groups"),
    Route("POST", _GROUPS, "create", rule="create_security_group", body=_CREATE, success=201,
          doc="Create a security group"),
    Route("GET", _GROUPS + "/{id}", "show", rule="get_security_group", doc="Show a security group"),
    Route("PUT", _GROUPS + "/{id}", "update", rule="update_security_group", body=_UPDATE,
          doc="Rename a security group"),
    Route("DELETE", _GROUPS + "/{id}", "delete", rule="delete_security_group", success=204,
          doc="Delete a security group"),
    Route("GET", _RULES, "rules", rule="get_security_group_rule", doc="List rules"),
    Route("POST", _RULES, "add_rule", rule="create_security_group_rule", body=_CREATE_RULE, success=201,
          doc="Add a rule"),
    Route("GET", _RULES + "/{id}", "rule", rule="get_security_group_rule", doc="Show a rule"),
    Route("DELETE", _RULES + "/{id}", "delete_rule", rule="delete_security_group_rule", success=204,
          doc="Delete a rule"),
)


class SecurityGroupController:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, groups: SecurityGroups) -> None:
        self._groups = groups

    def index(self, request: Request) -> dict[str, Any]:
        found = self._groups.list(request.context, all_projects=request.context.is_admin)
        return wire.listing(request, "security_groups", [_view(group) for group in found])

    def show(self, request: Request) -> dict[str, Any]:
        group = self._groups.get(request.context, request.match["id"])
        return {"security_group": wire.chosen(request, _view(group))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["security_group"]
        return {"security_group": _view(self._groups.create(
            request.context, wanted["name"], wanted.get("description") or "", wire.project_of(request, wanted)))}

    def update(self, request: Request) -> dict[str, Any]:
        wanted = {k: v for k, v in request.body_json["security_group"].items() if k in ("name", "description")}
        return {"security_group": _view(self._groups.update(request.context, request.match["id"], wanted))}

    def delete(self, request: Request) -> None:
        self._groups.delete(request.context, request.match["id"])

    def rules(self, request: Request) -> dict[str, Any]:
        found = self._groups.rules(request.context, all_projects=request.context.is_admin)
        return wire.listing(request, "security_group_rules", [_rule_view(rule) for rule in found])

    def rule(self, request: Request) -> dict[str, Any]:
        rule = self._groups.rule(request.context, request.match["id"])
        return {"security_group_rule": wire.chosen(request, _rule_view(rule))}

    def add_rule(self, request: Request) -> dict[str, Any]:
        wanted = dict(request.body_json["security_group_rule"])
        for port in ("port_range_min", "port_range_max"):
            if wanted.get(port) == -1:
                raise errors.Invalid(f"Invalid value for {port}: -1; leave it out to mean all.")
        return {"security_group_rule": _rule_view(self._groups.add_rule(
            request.context, wanted["security_group_id"], wanted, security_rules.rule,
            source=wanted.get("remote_group_id")))}

    def delete_rule(self, request: Request) -> None:
        self._groups.delete_rule(request.context, request.match["id"])


def _view(group: Group) -> dict[str, Any]:
    created = iso(group["created_at"])
    return wire.owned(group["project_id"]) | {
        "id": group["uuid"], "name": group["name"], "description": group["description"], "stateful": True,
        "shared": False, "tags": [], "created_at": created, "revision_number": 1,
        "updated_at": iso(group["updated_at"]) if group["updated_at"] else created,
        "security_group_rules": [_rule_view(rule) for rule in group["rules"]]}


def _rule_view(rule: Rule) -> dict[str, Any]:
    created = iso(rule["created_at"])
    return wire.owned(rule["project_id"]) | {
        "id": rule["uuid"], "security_group_id": rule["group_uuid"], "direction": rule["direction"],
        "ethertype": rule["ethertype"], "protocol": rule["protocol"], "port_range_min": rule["port_min"],
        "port_range_max": rule["port_max"], "remote_ip_prefix": rule["remote_cidr"],
        "remote_group_id": rule["remote_group"], "remote_address_group_id": None, "description": rule["description"],
        "normalized_cidr": rule["remote_cidr"], "belongs_to_default_sg": False, "tags": [], "created_at": created,
        "updated_at": created, "revision_number": 1}


def resource(groups: SecurityGroups) -> Resource:
    return Resource(ROUTES, SecurityGroupController(groups))
