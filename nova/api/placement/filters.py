# SPDX-License-Identifier: Apache-2.0
"""The little languages of query parameters: resources, required traits, membership in aggregates."""

from __future__ import annotations

import re

import sqlalchemy as sa

from nova import errors
from nova.api.placement.versions import FORBIDDEN_TRAITS
from nova.placement import names
from nova.placement.providers import Query
from nova.web.request import Request

_UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
_AMOUNT = re.compile(r"^[1-9][0-9]{0,8}$")
_REPEATED_MEMBER_OF = (1, 24)


def build_query(conn: sa.Connection, request: Request) -> Query:
    """All filters of the request; Invalid for anything malformed or unknown."""
    resources = parse_resources(request.arg("resources"))
    names.require_classes(conn, resources)
    required, forbidden = parse_required(request)
    names.require_traits(conn, required | forbidden)
    return Query(name=request.arg("name"), uuid=_lower(request.arg("uuid")), in_tree=_lower(request.arg("in_tree")),
                 resources=resources, required=frozenset(required), forbidden=frozenset(forbidden),
                 member_of=parse_member_of(request))


def _lower(value: str | None) -> str | None:
    return value.lower() if value is not None else None


def parse_resources(text: str | None) -> dict[str, int]:
    """``VCPU:2,MEMORY_MB:512``."""
    if text is None:
        return {}
    amounts: dict[str, int] = {}
    for part in text.split(","):
        name, _, amount = part.partition(":")
        if not (name and _AMOUNT.match(amount)) or name in amounts:
            raise errors.Invalid("Badly formed resources parameter. Expected resources=CLASS:AMOUNT,… "
                                 f"got: {text[:200]}")
        amounts[name] = int(amount)
    return amounts


def parse_required(request: Request) -> tuple[set[str], set[str]]:
    """``TRAIT,!TRAIT``; the exclamation mark from 1.22 on."""
    text = request.arg("required")
    if text is None:
        return set(), set()
    required: set[str] = set()
    forbidden: set[str] = set()
    for part in text.split(","):
        if not part.strip("!"):
            raise errors.Invalid(f"Invalid query string parameters: expected 'required' parameter value of the form: "
                                 f"HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: {text[:200]}")
        if part.startswith("!") and request.version >= FORBIDDEN_TRAITS:
            forbidden.add(part[1:])
        else:
            required.add(part)
    if both := required & forbidden:
        raise errors.Invalid(f"Conflicting required and forbidden traits: {', '.join(sorted(both))}.")
    return required, forbidden


def parse_member_of(request: Request) -> list[frozenset[str]]:
    """``uuid`` or ``in:uuid,uuid``; several times from 1.24 on, each of which must hold."""
    values = request.args.get("member_of", [])
    if len(values) > 1 and request.version < _REPEATED_MEMBER_OF:
        raise errors.Invalid("member_of may be given once before version 1.24.")
    groups = []
    for value in values:
        uuids = value.removeprefix("in:").split(",")
        if (len(uuids) > 1 and not value.startswith("in:")) or not all(_UUID.match(uuid) for uuid in uuids):
            raise errors.Invalid(f"Expected 'member_of' parameter to contain valid UUID(s). Got: {value[:200]}")
        groups.append(frozenset(uuid.lower() for uuid in uuids))
    return groups
