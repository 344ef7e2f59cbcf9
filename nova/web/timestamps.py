# SPDX-License-Identifier: Apache-2.0
"""Times on the wire: seconds since the epoch to ISO 8601 and back."""

from __future__ import annotations

import datetime
import functools

from nova import errors

_UTC = datetime.UTC


@functools.lru_cache(maxsize=4096)
def _second(value: int) -> str:
    return datetime.datetime.fromtimestamp(value, _UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso(value: float | None) -> str | None:
    """``2026-11-20T21:55:44Z``, the form of most times in the API."""
    return None if value is None else _second(int(value)) + "Z"


def micro(value: float | None) -> str | None:
    """``2026-11-20T21:55:44.000000``, the form of times that some resources pass on as stored."""
    if value is None:
        return None
    whole, rest = divmod(round(value * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{rest:06d}"


def parse(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; without an offset it is UTC. Raises :class:`errors.Invalid`."""
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=_UTC)
        return moment.timestamp()
    except (ValueError, OverflowError) as e:
        raise errors.Invalid(f"Invalid time format: {text[:100]}") from e
