# SPDX-License-Identifier: Apache-2.0
"""Reading numbers that a schema let through as a number or as text."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.compute.schemas import MAX_INT


def to_int(value: Any, name: str, minimum: int = 0, maximum: int = MAX_INT) -> int:
    """``value`` as int. Raises :class:`errors.Invalid` outside the bounds, which a schema cannot check on text."""
    number = int(value)
    if number < minimum:
        raise errors.Invalid(f"Invalid input for field/attribute {name}. Value: {value}. "
                             f"{number} is less than the minimum of {minimum}")
    if number > maximum:
        raise errors.Invalid(f"Invalid input for field/attribute {name}. Value: {value}. "
                             f"{number} is greater than the maximum of {maximum}")
    return number
