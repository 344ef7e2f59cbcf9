# SPDX-License-Identifier: Apache-2.0
"""How records, tokens and the catalogue look on the wire. Extra attributes come first: they cannot hide our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nova.api.identity.wire import self_link
from nova.identity.models import (
    ApplicationCredential,
    Domain,
    Endpoint,
    Group,
    Place,
    Project,
    Region,
    Role,
    Service,
    Session,
    User,
)
from nova.web import timestamps
from nova.web.request import Request

View = dict[str, Any]


def user(request: Request, u: User) -> View:
    shown: View = {**u.extra, "id": u.id, "name": u.name, "domain_id": u.domain_id, "enabled": u.enabled,
                   "options": u.options, "password_expires_at": None, "links": self_link(request, "users", u.id)}
    if u.description:
        shown["description"] = u.description
    if u.default_project_id:
        shown["default_project_id"] = u.default_project_id
    return shown


def project(request: Request, p: Project) -> View:
    return {**p.extra, "id": p.id, "name": p.name, "domain_id": p.domain_id, "parent_id": p.parent_id or p.domain_id,
            "is_domain": False, "enabled": p.enabled, "description": p.description, "tags": p.tags,
            "options": p.options, "links": self_link(request, "projects", p.id)}


def domain(request: Request, d: Domain) -> View:
    return {**d.extra, "id": d.id, "name": d.name, "enabled": d.enabled, "description": d.description, "tags": d.tags,
            "options": d.options, "links": self_link(request, "domains", d.id)}


def group(request: Request, g: Group) -> View:
    return {**g.extra, "id": g.id, "name": g.name, "domain_id": g.domain_id, "description": g.description,
            "links": self_link(request, "groups", g.id)}


def role(request: Request, r: Role) -> View:
    return {**r.extra, "id": r.id, "name": r.name, "domain_id": r.domain_id or None, "options": r.options,
            "description": r.description or None, "links": self_link(request, "roles", r.id)}


def region(request: Request, r: Region) -> View:
    return {**r.extra, "id": r.id, "description": r.description, "parent_region_id": r.parent_region_id,
            "links": self_link(request, "regions", r.id)}


def service(request: Request, s: Service) -> View:
    return {**s.extra, "id": s.id, "type": s.type, "name": s.name, "description": s.description, "enabled": s.enabled,
            "links": self_link(request, "services", s.id)}


def endpoint(request: Request, e: Endpoint) -> View:
    return {**e.extra, "id": e.id, "service_id": e.service_id, "interface": e.interface, "url": e.url,
            "region_id": e.region_id, "region": e.region_id, "enabled": e.enabled,
            "links": self_link(request, "endpoints", e.id)}


def credential(request: Request, c: ApplicationCredential, names: dict[str, str]) -> View:
    """``names``: role id → name, as the rows know ids only."""
    shown: View = {
        "id": c.id, "name": c.name, "description": c.description, "project_id": c.project_id, "user_id": c.user_id,
        "roles": [{"id": r, "name": names[r], "domain_id": None} for r in c.role_ids if r in names],
        "expires_at": timestamps.micro(c.expires_at), "unrestricted": c.unrestricted, "system": None,
        "links": self_link(request, f"users/{c.user_id}/application_credentials", c.id)}
    if c.access_rules is not None:
        shown["access_rules"] = c.access_rules
    return shown


def _domain_of(place: Place) -> View:
    return {"id": place.domain_id, "name": place.domain_name}


def token(session: Session, catalog: Sequence[View] | None) -> View:
    """The body of a token; without a catalogue when that was not wanted or the token is unscoped."""
    t, place = session.token, session.place
    shown: View = {
        "methods": list(t.methods), "audit_ids": list(t.audit_ids), "issued_at": _z(t.issued_at),
        "expires_at": _z(t.expires_at),
        "user": {"id": session.user.id, "name": session.user.name, "domain": _domain_of(session.user),
                 "password_expires_at": None}}
    if t.scope.kind == "project" and place is not None:
        shown["project"] = {"id": place.id, "name": place.name, "domain": _domain_of(place)}
        shown["is_domain"] = False
    elif t.scope.kind == "domain" and place is not None:
        shown["domain"] = {"id": place.id, "name": place.name}
    elif t.scope.kind == "system":
        shown["system"] = {"all": True}
    if t.scope.kind != "unscoped":
        shown["roles"] = [{"id": role_id, "name": name} for role_id, name in session.roles]
        if catalog is not None:
            shown["catalog"] = list(catalog)
    if session.credential is not None:
        c = session.credential
        shown["application_credential"] = {"id": c.id, "name": c.name, "restricted": not c.unrestricted}
        if c.access_rules is not None:
            shown["application_credential"]["access_rules"] = c.access_rules
    return {"token": shown}


def catalog(entries: Sequence[tuple[Service, list[Endpoint]]]) -> list[View]:
    return [{"id": s.id, "type": s.type, "name": s.name, "endpoints": [
        {"id": e.id, "interface": e.interface, "region_id": e.region_id, "region": e.region_id, "url": e.url}
        for e in endpoints]} for s, endpoints in entries]


def _z(value: float) -> str:
    return f"{timestamps.micro(value)}Z"
