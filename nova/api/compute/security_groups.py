# SPDX-License-Identifier: Apache-2.0
"""Security groups: of a server, and the old interface to those of a project (until 2.35).

Networks of this cloud know one group per project, ``default``. It cannot be changed, and others cannot be made.
"""

from __future__ import annotations

import hashlib
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.servers import SHOW
from nova.store.servers import Servers as ServerStore
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

GROUPS = ("default",)
_TEXT: s.Schema = {"type": ["string", "null"], "maxLength": 255}
_GROUP = s.wrapped("security_group", s.object_of({"name": _TEXT, "description": _TEXT}, ("name", "description")))
_PORT: s.Schema = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"}
_MEMBERS: s.Schema = {"parent_group_id": {"type": ["string", "integer"]}, "ip_protocol": _TEXT, "from_port": _PORT,
                      "to_port": _PORT, "cidr": _TEXT, "group_id": _TEXT}
_CREATE_RULE = s.wrapped("security_group_rule", s.object_of(_MEMBERS, ("parent_group_id",)))

_RULE = "os_compute_api:os-security-groups:"
_OLD = ("2.1", "2.35")
SERVER_ROUTES = (
    Route("GET", "/servers/{server_id}/os-security-groups", "of_server", rule=_RULE + "list", query=SHOW,
          doc="Security groups of a server"),
)
ROUTES = (
    Route("GET", "/os-security-groups", "index", rule=_RULE + "get", versions=_OLD, doc="List security groups",
          query=query({"limit": s.NUMBER, "offset": s.NUMBER, "all_tenants": s.TEXT})),
    Route("POST", "/os-security-groups", "refuse", rule=_RULE + "create", body=_GROUP, versions=_OLD,
          doc="Create a security group"),
    Route("GET", "/os-security-groups/{id}", "show", rule=_RULE + "show", versions=_OLD, doc="Show a security group"),
    Route("PUT", "/os-security-groups/{id}", "change", rule=_RULE + "update", body=_GROUP, versions=_OLD,
          doc="Rename a security group"),
    Route("DELETE", "/os-security-groups/{id}", "change", rule=_RULE + "delete", success=202, versions=_OLD,
          doc="Delete a security group"),
    Route("POST", "/os-security-group-rules", "add_rule", rule=_RULE + "rule:create", body=_CREATE_RULE,
          versions=_OLD, doc="Add a rule"),
    Route("DELETE", "/os-security-group-rules/{id}", "delete_rule", rule=_RULE + "rule:delete", success=202,
          versions=_OLD, doc="Delete a rule"),
)


def group(project_id: str, name: str) -> dict[str, Any]:
    """A group as the API shows it. Its id follows from project and name."""
    digest = hashlib.sha256(f"{project_id}/{name}".encode()).hexdigest()
    id = "-".join((digest[:8], digest[8:12], "4" + digest[13:16], "8" + digest[17:20], digest[20:32]))
    return {"id": id, "name": name, "description": name.capitalize(), "tenant_id": project_id, "rules": []}


class SecurityGroups:
    """Handlers of :data:`SERVER_ROUTES` and :data:`ROUTES`."""

    def __init__(self, store: ServerStore) -> None:
        self._store = store

    def of_server(self, request: Request) -> dict[str, Any]:
        """A server without ports has no groups."""
        _, row = self._store.locate(request.context, request.match["server_id"])
        names = row["security_groups"] if row["network_info"] else []
        return {"security_groups": [group(row["project_id"], name) for name in names]}

    def index(self, request: Request) -> dict[str, Any]:
        return {"security_groups": self._own(request)}

    def show(self, request: Request) -> dict[str, Any]:
        return {"security_group": self._find(request, request.match["id"])}

    def refuse(self, request: Request) -> None:
        raise errors.Invalid("The network service keeps the security group 'default' only; it does not change.")

    def change(self, request: Request) -> None:
        self._find(request, request.match["id"])
        self.refuse(request)

    def add_rule(self, request: Request) -> None:
        self._find(request, str(request.body_json["security_group_rule"]["parent_group_id"]))
        self.refuse(request)

    def delete_rule(self, request: Request) -> None:
        raise errors.NotFound(f"Security group rule {request.match['id']} could not be found.")

    @staticmethod
    def _own(request: Request) -> list[dict[str, Any]]:
        return [group(request.context.project_id or "", name) for name in GROUPS]

    def _find(self, request: Request, id: str) -> dict[str, Any]:
        for known in self._own(request):
            if known["id"] == id:
                return known
        raise errors.NotFound(f"Security group {id} not found.")
