# SPDX-License-Identifier: Apache-2.0
"""What the auth manager knows of, as values. How they look on the wire is in ``nova.api.identity``."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

ScopeKind = Literal["unscoped", "project", "domain", "system"]
DEFAULT_DOMAIN = "default"
SYSTEM = "all"


@dataclasses.dataclass(frozen=True, slots=True)
class Domain:
    id: str
    name: str
    description: str
    enabled: bool
    tags: list[str]
    options: dict[str, Any]
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """``parent_id`` is None for a project directly in its domain."""

    id: str
    domain_id: str
    name: str
    parent_id: str | None
    description: str
    enabled: bool
    tags: list[str]
    options: dict[str, Any]
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    id: str
    domain_id: str
    name: str
    description: str
    enabled: bool
    password_hash: str | None = dataclasses.field(repr=False)
    password_changed_at: float | None
    generation: int
    default_project_id: str | None
    options: dict[str, Any]
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    id: str
    domain_id: str
    name: str
    description: str
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """``domain_id`` is empty for the roles of the whole cloud."""

    id: str
    name: str
    domain_id: str
    description: str
    options: dict[str, Any]
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    role_id: str
    inherited: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ApplicationCredential:
    id: str
    user_id: str
    project_id: str
    name: str
    description: str
    secret_hash: str = dataclasses.field(repr=False)
    role_ids: list[str]
    expires_at: float | None
    unrestricted: bool
    access_rules: list[dict[str, Any]] | None
    created_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    id: str
    description: str
    parent_region_id: str | None
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    id: str
    type: str
    name: str
    description: str
    enabled: bool
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    id: str
    service_id: str
    interface: str
    url: str
    region_id: str | None
    enabled: bool
    extra: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What a token is for. ``id`` is that of the project or domain, and ``all`` for the system."""

    kind: ScopeKind
    id: str | None = None

    @property
    def target(self) -> tuple[str, str] | None:
        """The scope as the target of a role assignment; None when unscoped."""
        return None if self.kind == "unscoped" or self.id is None else (self.kind, self.id)


UNSCOPED = Scope("unscoped")


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """What a token says of itself. Everything else about its user is looked up, so that it is never out of date.

    The first of ``audit_ids`` is that of this token, the last that of the first token of its chain.
    """

    user_id: str
    scope: Scope
    methods: tuple[str, ...]
    issued_at: float
    expires_at: float
    audit_ids: tuple[str, ...]
    generation: int
    credential_id: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A project or domain with the names that tokens show; ``domain_*`` of a domain are its own."""

    id: str
    name: str
    domain_id: str
    domain_name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """A token that was found good, with what was looked up: who, where, with which roles."""

    token: Token
    user: Place
    place: Place | None
    roles: tuple[tuple[str, str], ...]
    credential: ApplicationCredential | None = None

    @property
    def role_names(self) -> tuple[str, ...]:
        return tuple(name for _id, name in self.roles)
