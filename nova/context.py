# SPDX-License-Identifier: Apache-2.0
"""Who asks. A context travels with every request, in the process and over the bus; it never carries a token."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova import concurrency


def new_request_id() -> str:
    """A request id in the form the clients know: ``req-<uuid>``."""
    return f"req-{concurrency.uuid4()}"


@dataclasses.dataclass(slots=True)
class RequestContext:
    """User, project, roles and request id of whoever asks.

    ``store`` is how objects in this process reach data: the database itself at API and conductor level, the cell's
    conductor over RPC on a host. It is set by the process that owns the context and never leaves it.
    """

    user_id: str | None = None
    project_id: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    request_id: str = ""
    global_request_id: str | None = None
    user_name: str | None = None
    project_name: str | None = None
    user_domain_id: str | None = None
    project_domain_id: str | None = None
    system_scope: str | None = None
    remote_address: str | None = None
    timestamp: float = 0.0
    store: Any = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.request_id = self.request_id or new_request_id()
        self.timestamp = self.timestamp or concurrency.time()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the bus and for operation rows; the store stays here."""
        return {f: getattr(self, f) for f in _FIELDS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], store: Any = None) -> RequestContext:
        known = {k: v for k, v in values.items() if k in _FIELDS}
        known["roles"] = tuple(known.get("roles") or ())
        return cls(**known, store=store)

    def elevated(self) -> RequestContext:
        """A copy that acts as administrator, for steps that the service itself takes."""
        roles = self.roles if "admin" in self.roles else (*self.roles, "admin")
        return dataclasses.replace(self, is_admin=True, roles=roles)

    def with_store(self, store: Any) -> RequestContext:
        return dataclasses.replace(self, store=store)


_FIELDS = tuple(f.name for f in dataclasses.fields(RequestContext) if f.name != "store")


def service_context(store: Any = None) -> RequestContext:
    """The context of work that a service does by itself."""
    return RequestContext(is_admin=True, roles=("admin", "service"), store=store)
