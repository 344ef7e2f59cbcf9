# SPDX-License-Identifier: Apache-2.0
"""How it becomes known that a host is off: the interface of fencing plug-ins, the two that come along, the registry."""

from __future__ import annotations

import abc
from collections.abc import Callable
from importlib import metadata
from typing import Any

from nova import errors
from nova.conf import ha
from nova.host import processes

GROUP = "nova.fencing"


class Fencing(abc.ABC):
    """One for all hosts. ``fence`` may be called again for a host at any time, by another conductor too."""

    @abc.abstractmethod
    def fence(self, host: str) -> str | None:
        """Have the host off: give how that is known, in words, or None when it is not known yet. When it returns
        words, no guest of the host runs any more nor reaches its disks: servers are started elsewhere upon it.

        :class:`errors.NovaError` when it failed; it is tried again later.
        """


class Manual(Fencing):
    """An operator looks, and says so by ``nova-manage host fence``."""

    def fence(self, host: str) -> str | None:
        return None


class Command(Fencing):
    """A program of the site's: exit status 0 means that the host is off."""

    def __init__(self, words: Callable[[str], list[str]], timeout: float) -> None:
        self._words, self._timeout = words, timeout

    def fence(self, host: str) -> str | None:
        words = self._words(host)
        processes.run(words, timeout=self._timeout)
        return f"{words[0]} has switched it off."


def _manual(conf: Any) -> Fencing:
    return Manual()


def _command(conf: Any) -> Fencing:
    ha.command(conf, "any")
    return Command(lambda host: ha.command(conf, host), conf.ha.fence_timeout)


#: name → factory, which takes the configuration.
BUILTIN: dict[str, Callable[[Any], Fencing]] = {"manual": _manual, "command": _command}


def load(conf: Any) -> Fencing:
    """The plug-in of ``[ha] fencing``. Raises ConfigError for one that is not there."""
    name = conf.ha.fencing
    if name in BUILTIN:
        return BUILTIN[name](conf)
    points = list(metadata.entry_points(group=GROUP))
    for point in points:
        if point.name == name:
            made: Fencing = point.load()(conf)
            return made
    known = ", ".join(sorted({*BUILTIN, *(p.name for p in points)}))
    raise errors.ConfigError(f"[ha] fencing = {name!r} is unknown; use one of: {known}")
