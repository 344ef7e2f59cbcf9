# SPDX-License-Identifier: Apache-2.0
"""Rewriting a primitive for a peer that knows older versions; the conductor does this for its hosts."""

from __future__ import annotations

from nova import errors
from nova.objects import compute_node, instance, operation, service, work
from nova.objects.base import NovaObject, Primitive, from_primitive

#: All objects that cross the bus, by name. A receiver imports this module, so that all of them are registered.
ALL: dict[str, type[NovaObject]] = {
    c.__name__: c for c in (instance.Instance, operation.Operation, work.Work, service.Service,
                            compute_node.ComputeNode)}


def backport(primitive: Primitive, target_versions: dict[str, str]) -> Primitive:
    """The primitive as a peer with ``target_versions`` (name → version, nested objects included) can read it."""
    known = from_primitive(primitive)
    name = known.obj_name()
    if name not in target_versions:
        raise errors.Invalid(f"The wanted version of {name} is missing")
    try:
        return known.obj_to_primitive(target_versions[name], target_versions)
    except Exception as e:
        raise errors.NotSupported(f"{name} cannot be given as version {target_versions[name]}: {e}") from e
