# SPDX-License-Identifier: Apache-2.0
"""Sockets, cores and threads that a guest sees."""

from __future__ import annotations

import dataclasses

from nova import errors
from nova.virt.hardware.wishes import Wishes

#: More of a kind than any guest can have.
UNLIMITED = 65536


@dataclasses.dataclass(frozen=True, slots=True)
class Topology:
    sockets: int
    cores: int = 1
    threads: int = 1


def topology(wishes: Wishes, vcpus: int, threads: int = 1) -> Topology:
    """The topology that fits flavor and image best; Invalid when none has exactly so many vCPUs.

    ``threads`` is how many siblings share a core of the host where the vCPUs are pinned: the guest shall know. Without
    preferences there are as many sockets as vCPUs.
    """
    limits = [_limit(wishes, f"cpu_max_{part}") for part in ("sockets", "cores", "threads")]
    preferred = [_preference(wishes, f"cpu_{part}", limit)
                 for part, limit in zip(("sockets", "cores", "threads"), limits, strict=True)]
    if preferred[2] is None and threads > 1 and threads <= limits[2]:
        preferred[2] = threads
    possible = [
        Topology(sockets, vcpus // sockets // threads_, threads_)
        for threads_ in _divisors(vcpus, limits[2]) for sockets in _divisors(vcpus // threads_, limits[0])
        if vcpus // sockets // threads_ <= limits[1]
    ]
    if not possible:
        raise errors.Invalid(f"No topology of at most {limits[0]} sockets, {limits[1]} cores and {limits[2]} threads "
                             f"has {vcpus} vCPUs.")
    return min(possible, key=lambda t: _distance(t, preferred))


def _distance(found: Topology, preferred: list[int | None]) -> tuple[int, int, int, int]:
    """How many preferences are missed; then few threads, many sockets."""
    parts = (found.sockets, found.cores, found.threads)
    missed = sum(want is not None and want != have for want, have in zip(preferred, parts, strict=True))
    return (missed, found.threads, found.cores, -found.sockets)


def _limit(wishes: Wishes, name: str) -> int:
    flavor, image = _number(wishes, name, wishes.in_flavor(name)), _number(wishes, name, wishes.in_image(name))
    if flavor and image and image > flavor:
        raise errors.Invalid(f"The image's {name} of {image} exceeds the flavor's of {flavor}.")
    return image or flavor or UNLIMITED


def _preference(wishes: Wishes, name: str, limit: int) -> int | None:
    """The image's preference counts if the flavor has none or is not exceeded by it."""
    flavor, image = _number(wishes, name, wishes.in_flavor(name)), _number(wishes, name, wishes.in_image(name))
    for source, value in (("flavor", flavor), ("image", image)):
        if value and value > limit:
            raise errors.Invalid(f"The {source}'s {name} of {value} exceeds the limit of {limit}.")
    return image if image and not flavor else flavor or None


def _number(wishes: Wishes, name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or not 0 < int(value) <= UNLIMITED:
        raise errors.Invalid(f"{name} = '{value}' cannot be: it must be a number from 1 to {UNLIMITED}.")
    return int(value)


def _divisors(number: int, most: int) -> list[int]:
    return [n for n in range(1, min(number, most) + 1) if number % n == 0]
