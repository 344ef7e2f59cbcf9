# SPDX-License-Identifier: Apache-2.0
"""Rules that the content of an image record keeps, whoever asks: formats, names, amounts. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nova import errors
from nova.images import model

_AMAZON = {"ami", "ari", "aki"}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INT_MAX = 2**31 - 1
_VALUE_MAX = 65535


def is_uuid(text: str) -> bool:
    return bool(_UUID.fullmatch(text))


def check_values(values: Mapping[str, Any], limits: model.Limits) -> None:
    """Check writable attributes, each for itself."""
    for name, value in values.items():
        if name in ("name", "owner"):
            check_text(name, value)
        elif name == "visibility":
            _one_of(name, value, model.VISIBILITIES)
        elif name == "disk_format":
            _one_of(name, value, (None, *limits.disk_formats))
        elif name == "container_format":
            _one_of(name, value, (None, *limits.container_formats))
        elif name in ("min_disk", "min_ram"):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _INT_MAX:
                raise errors.Invalid(f"{name} must be a whole number from 0 to {_INT_MAX}")
        elif not isinstance(value, bool):
            raise errors.Invalid(f"{name} must be true or false")


def check_text(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str) or len(value) > 255:
        raise errors.Invalid(f"{name} must be text of at most 255 characters")
    _no_control(name, value)


def _no_control(name: str, value: str) -> None:
    if "\x00" in value or any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise errors.Invalid(f"{name} contains characters that cannot be stored")


def _one_of(name: str, value: Any, allowed: Iterable[Any]) -> None:
    if value not in (allowed := tuple(allowed)):
        raise errors.Invalid(f"Invalid value for {name}: it must be one of {', '.join(a or 'null' for a in allowed)}")


def check_formats(disk_format: str | None, container_format: str | None) -> None:
    """The formats of one image must go together."""
    if {disk_format, container_format} & _AMAZON and None not in (disk_format, container_format) \
            and disk_format != container_format:
        raise errors.Invalid("Invalid mix of disk and container formats. When one of them is 'aki', 'ari' or 'ami', "
                             "the other must be the same.")


def check_ready(row: Mapping[str, Any]) -> None:
    """An image takes data only when its formats are known."""
    missing = [n for n in ("disk_format", "container_format") if not row[n]]
    if missing:
        raise errors.Invalid(f"Properties {', '.join(missing)} must be set prior to saving data.")


def check_properties(properties: Mapping[str, Any]) -> None:
    for name, value in properties.items():
        if not name or len(name) > 255:
            raise errors.Invalid("The name of a property must have 1 to 255 characters")
        _no_control("The name of a property", name)
        if name in model.READ_ONLY:
            raise errors.Forbidden(f"Attribute '{name}' is read-only.")
        if model.is_reserved(name) or name in model.COLUMNS or name == "tags":
            raise errors.Forbidden(f"Attribute '{name}' is reserved.")
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > _VALUE_MAX:
            raise errors.Invalid(f"The value of property '{name[:64]}' must be text of at most {_VALUE_MAX} characters")
        _no_control(f"The value of property '{name[:64]}'", value)


def check_tags(tags: Iterable[Any]) -> None:
    for tag in tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= 255:
            raise errors.Invalid("A tag must be text of 1 to 255 characters")
        _no_control("A tag", tag)


def check_amount(what: str, count: int, limit: int) -> None:
    """Amounts over their quota are refused; -1 is no limit."""
    if 0 <= limit < count:
        raise errors.TooLarge(f"The limit has been exceeded on the number of allowed image {what}. "
                              f"Attempted: {count}, Maximum: {limit}")
