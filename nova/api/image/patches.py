# SPDX-License-Identifier: Apache-2.0
"""JSON patches of an image (RFC 6902 within the Image API's limits), turned into changes. No HTTP and no database."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jsonpatch
import jsonpointer

from nova import errors
from nova.images import model
from nova.images.manager import Changes

V20 = "application/openstack-images-v2.0-json-patch"
V21 = "application/openstack-images-v2.1-json-patch"
OPERATIONS = ("add", "replace", "remove")
#: Attributes of every image: they can be replaced and never removed.
_ATTRIBUTES = (*model.WRITABLE, "owner", "tags")


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as checked: ``name`` is an attribute or property, ``below`` the rest of its path."""

    op: str
    name: str
    below: str
    value: Any = None


def parse(body: Sequence[Any], media_type: str) -> list[Operation]:
    """The operations of a patch; Invalid names what is wrong with the first bad one."""
    return [_parse_one(item, media_type == V20) for item in body]


def _parse_one(item: dict[str, Any], old_form: bool) -> Operation:
    op, path = _old_form(item) if old_form else (item.get("op"), item.get("path"))
    if not isinstance(op, str) or op not in OPERATIONS:
        raise errors.Invalid(f"Operations must be one of {', '.join(OPERATIONS)}.")
    if not isinstance(path, str):
        raise errors.Invalid("Unable to find '/path' in JSON patch change: each operation needs one")
    if op != "remove" and "value" not in item:
        raise errors.Invalid(f"Operation \"{op}\" requires a member named \"value\".")
    try:
        parts = jsonpointer.JsonPointer(path).parts
    except jsonpointer.JsonPointerException:
        raise errors.Invalid(f"Invalid JSON pointer: {path[:255]}") from None
    if not parts or not parts[0] or len(parts) > (2 if parts[0] == "tags" else 1):
        raise errors.Invalid(f"Invalid JSON pointer for this resource: '{path[:255]}'")
    below = path[path.index("/", 1):] if len(parts) > 1 else ""
    return Operation(op, parts[0], below, item.get("value"))


def _old_form(item: dict[str, Any]) -> tuple[Any, Any]:
    """``{"replace": "/name", "value": …}``, the form of the v2.0 media type."""
    found = [name for name in OPERATIONS if name in item]
    if len(found) != 1:
        raise errors.Invalid(f"Operations must be one of {', '.join(OPERATIONS)}; exactly one in each object.")
    return found[0], item[found[0]]


def changes(image: model.Image, operations: Sequence[Operation]) -> Changes:
    """What the operations, one after another, make of the image."""
    values: dict[str, Any] = {}
    properties = dict(image.properties)
    tags: Any = list(image.tags)
    for operation in operations:
        name = operation.name
        if name in model.READ_ONLY or name == "id":
            raise errors.Forbidden(f"Attribute '{name}' is read-only.")
        if model.is_reserved(name):
            raise errors.Forbidden(f"Attribute '{name}' is reserved.")
        if name == "tags":
            tags = _change_tags(tags, operation)
        elif name in _ATTRIBUTES:
            if operation.op == "remove":
                raise errors.Forbidden(f"Property {name} may not be removed.")
            values[name] = operation.value
        else:
            _change_property(properties, operation)
    return Changes(
        values=values, tags=None if tags == list(image.tags) else tags,
        properties={n: v for n, v in properties.items() if n not in image.properties or image.properties[n] != v},
        removed=[n for n in image.properties if n not in properties])


def _change_property(properties: dict[str, Any], operation: Operation) -> None:
    if operation.op != "add" and operation.name not in properties:
        raise errors.Conflict(f"Property {operation.name[:255]} does not exist.")
    if operation.op == "remove":
        del properties[operation.name]
    else:
        properties[operation.name] = operation.value


def _change_tags(tags: Any, operation: Operation) -> Any:
    """Tags are replaced as a whole or, as a list, item by item."""
    if not operation.below:
        if operation.op == "remove":
            raise errors.Forbidden("Property tags may not be removed.")
        if not isinstance(operation.value, list) or not all(isinstance(t, str) for t in operation.value):
            raise errors.Invalid("tags must be a list of texts")
        return operation.value
    change = {"op": operation.op, "path": operation.below}
    if operation.op != "remove":
        change["value"] = operation.value
    try:
        return jsonpatch.apply_patch(tags, [change])
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException):
        raise errors.Conflict(f"The image has no tag at {operation.below[:64]}") from None
