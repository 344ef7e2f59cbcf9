# SPDX-License-Identifier: Apache-2.0
"""What can be made to go wrong in the fake hypervisor, by configuration or by a test that holds the object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oslo_config import cfg

from nova import concurrency, errors
from nova.virt.interfaces import ABILITIES

ALWAYS = -1


class Knobs:
    """Failures, delays and hangs per driver method (``spawn``, ``destroy``, ``power_on`` …)."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, errors.NovaError]] = {}
        self._delays: dict[str, float] = {}
        self._hanging: dict[str, Any] = {}
        self._lacking: frozenset[str] = frozenset()

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts, host: str) -> Knobs:
        """Settings of section ``[fake]``; ``fail_at`` is ``method``, ``method:times`` or ``host/method:times``."""
        knobs = cls()
        for method, value in _for_host(conf.fake.fail_at, host, "fake.fail_at"):
            knobs.fail(method, times=ALWAYS if value is None else int(value))
        for method, value in _for_host(conf.fake.delay, host, "fake.delay"):
            knobs.slow(method, 1.0 if value is None else value)
        for method, _ in _for_host(conf.fake.hang_at, host, "fake.hang_at"):
            knobs.hang(method)
        knobs.lack(*(ability for ability, _ in _for_host(conf.fake.without, host, "fake.without")))
        return knobs

    def fail(self, method: str, *, times: int = ALWAYS, message: str = "", retry: bool = True,
             error: type[errors.NovaError] = errors.HostFailure) -> None:
        """Let ``method`` fail ``times`` times, or from now on."""
        self._failures[method] = (times, error(message or f"Told to fail at {method}.", retry=retry))

    def slow(self, method: str, seconds: float) -> None:
        self._delays[method] = seconds

    def hang(self, method: str) -> None:
        """Let ``method`` stand still until :meth:`release`."""
        self._hanging[method] = concurrency.Event()

    def release(self, method: str) -> None:
        if event := self._hanging.pop(method, None):
            event.set()

    def lack(self, *abilities: str) -> None:
        """The host has none of these interfaces of :mod:`nova.virt.interfaces`."""
        unknown = sorted(set(abilities) - {interface.__name__ for interface in ABILITIES})
        if unknown:
            raise errors.ConfigError(f"fake.without: there is no ability {unknown[0]!r}; there are "
                                     f"{', '.join(sorted(interface.__name__ for interface in ABILITIES))}.")
        self._lacking = frozenset(abilities)

    def lacks(self, ability: str) -> bool:
        return ability in self._lacking

    def delay(self, method: str) -> float:
        return self._delays.get(method, 0.0)

    def hanging(self, method: str) -> bool:
        return method in self._hanging

    def reset(self) -> None:
        self._failures.clear()
        self._delays.clear()
        self._lacking = frozenset()
        for method in list(self._hanging):
            self.release(method)

    def strike(self, method: str) -> None:
        """Called by the driver in the middle of ``method``."""
        concurrency.checkpoint(f"fake.{method}")
        if seconds := self._delays.get(method):
            concurrency.sleep(seconds)
        if event := self._hanging.get(method):
            event.wait()
        times, error = self._failures.get(method, (0, None))
        if times == 0 or error is None:
            return
        if times > 0:
            self._failures[method] = (times - 1, error)
        raise type(error)(error.message, **error.details)


def _for_host(settings: Iterable[str], host: str, option: str) -> list[tuple[str, float | None]]:
    found = []
    for setting in settings:
        where, _, rest = setting.rpartition("/")
        method, _, value = rest.partition(":")
        try:
            number = float(value) if value else None
        except ValueError:
            raise errors.ConfigError(f"{option}: {setting!r} must be 'method' or 'method:number'.") from None
        if not where or where == host:
            found.append((method, number))
    return found
