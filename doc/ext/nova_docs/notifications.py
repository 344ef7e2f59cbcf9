# SPDX-License-Identifier: Apache-2.0
"""``.. nova-notifications::`` and ``.. nova-payloads::``: the events that are sent, and the fields of payloads;
``.. nova-unversioned::``: the events that have the unversioned format only."""

from __future__ import annotations

from docutils import nodes
from oslo_versionedobjects import base, fields
from sphinx.util.docutils import SphinxDirective

from nova.objects.base import NovaObject
from nova.objects.notifications import catalogue
from nova.workflow.operations import SHAPES
from nova_docs.tables import Cell, code, section, table


def events() -> list[catalogue.Event]:
    """What this release sends."""
    return catalogue.events([shape.action for shape in SHAPES])


class NotificationsDirective(SphinxDirective):
    """One row per event."""

    def run(self) -> list[nodes.Node]:
        columns = ("Event", "Unversioned", "When", "Sent by", "Payload", "Priority")
        rows: list[list[Cell]] = [
            [code(e.name), code(e.legacy) if e.legacy else "–", e.when, e.publisher, code(e.payload.__name__),
             e.priority] for e in events()]
        return [table(columns, rows, (26, 24, 34, 12, 20, 8))]


class UnversionedDirective(SphinxDirective):
    """One row per event that has no versioned form."""

    def run(self) -> list[nodes.Node]:
        every = "what every event of a server tells"
        rows: list[list[Cell]] = [[code(e.name), e.when, e.publisher, ", ".join(e.members) or every]
                                  for e in catalogue.PLAIN]
        return [table(("Event", "When", "Sent by", "Payload"), rows, (32, 34, 12, 22))]


class PayloadsDirective(SphinxDirective):
    """A section per payload class with its fields."""

    def run(self) -> list[nodes.Node]:
        found: dict[str, type[NovaObject]] = {}
        for event in events():
            _collect(event.payload, found)
        return [_payload(found[name]) for name in sorted(found)]


def _collect(payload: type[NovaObject], found: dict[str, type[NovaObject]]) -> None:
    """The class and those of the objects inside it."""
    if payload.__name__ in found:
        return
    found[payload.__name__] = payload
    for field in payload.fields.values():
        inner = _inner(field)
        if inner is not None:
            _collect(inner, found)


def _inner(field: fields.Field) -> type[NovaObject] | None:
    name = _object_name(field)
    return None if name is None else base.VersionedObjectRegistry.obj_classes()[name][0]


def _object_name(field: fields.Field) -> str | None:
    if isinstance(field, fields.ListOfObjectsField):
        return str(field.AUTO_TYPE._element_type._type._obj_name)
    if isinstance(field, fields.ObjectField):
        return str(field.AUTO_TYPE._obj_name)
    return None


def _payload(payload: type[NovaObject]) -> nodes.section:
    rows: list[list[Cell]] = [[code(name), _type(field), "yes" if field.nullable else "no"]
                              for name, field in sorted(payload.fields.items())]
    return section(f"{payload.__name__} {payload.VERSION}", f"payload-{payload.__name__.lower()}",
                   table(("Field", "Type", "May be null"), rows, (30, 50, 20)))


def _type(field: fields.Field) -> str:
    name = _object_name(field)
    if name is not None:
        return f"list of {name}" if isinstance(field, fields.ListOfObjectsField) else name
    kinds = {fields.StringField: "text", fields.IntegerField: "number", fields.FloatField: "number",
             fields.BooleanField: "true or false"}
    return kinds.get(type(field), "JSON")
