# SPDX-License-Identifier: Apache-2.0
"""Operation × driver: what works, and why the rest does not. Told by what the tests that passed have called."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from rich.table import Table

from nova.virt.fake.driver import FakeDriver
from nova.virt.interfaces import ABILITIES
from nova.virt.libvirt.driver import LibvirtDriver
from nova.workflow.operations import SHAPES

_CLASSES: dict[str, type] = {"fake": FakeDriver, "libvirt": LibvirtDriver}
DRIVERS = tuple(_CLASSES)
#: What guests of every driver need for the operations that name no ability of their own.
BASIC = "Lifecycle"
#: The name of the property in which a test tells what it has called.
CALLS = "calls of drivers"
#: Two hosts take part: the integration suite proves these with real guests.
BETWEEN_HOSTS = {"libvirt": {"LiveMigration", "Resize"}}

_called: set[str] = set()


def offered(driver: str) -> tuple[str, ...]:
    """The abilities that the driver's class has, by name."""
    made = _CLASSES[driver]
    return tuple(ability.__name__ for ability in ABILITIES if issubclass(made, ability))


def watch(driver: Any, name: str) -> None:
    """Note which methods of its abilities are called on ``driver``."""
    for ability in ABILITIES:
        if isinstance(driver, ability):
            for method in ability.__abstractmethods__:  # type: ignore[attr-defined]
                setattr(driver, method, _noting(f"{name}.{ability.__name__}.{method}", getattr(driver, method)))


def _noting(label: str, method: Any) -> Any:
    @functools.wraps(method)
    def noting(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        _called.add(label)
        return result

    return noting


def taken() -> list[str]:
    """What was called since the last time that this was asked."""
    calls = sorted(_called)
    _called.clear()
    return calls


def verdict(ability: str, driver: str, offered: Iterable[str], calls: set[str]) -> str:
    """Whether ``driver`` does what an operation needs, in words."""
    if ability not in offered:
        return f"no: the driver has no {ability}"
    methods = next(a for a in ABILITIES if a.__name__ == ability).__abstractmethods__  # type: ignore[attr-defined]
    missing = sorted(m for m in methods if f"{driver}.{ability}.{m}" not in calls)
    if not missing:
        return "works"
    if ability in BETWEEN_HOSTS.get(driver, ()):
        return "works between two hosts: integration suite"
    return f"not proven: {', '.join(missing)}"


def rows(offered: dict[str, Iterable[str]], calls: set[str]) -> list[tuple[str, ...]]:
    """(operation, ability, verdict of each driver)."""
    found = []
    for shape in sorted(SHAPES, key=lambda shape: shape.action):
        ability = shape.ability or BASIC
        found.append((shape.action, ability, *(verdict(ability, d, offered[d], calls) for d in DRIVERS)))
    return found


def table(found: list[tuple[str, ...]]) -> Table:
    made = Table("operation", "ability", *DRIVERS, title="operation × driver")
    for row in found:
        made.add_row(*row)
    return made
