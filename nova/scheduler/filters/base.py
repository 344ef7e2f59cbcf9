# SPDX-License-Identifier: Apache-2.0
"""What a filter is: a pure function of one host and one request that passes (None) or refuses with a reason.

A filter of an operator subclasses :class:`Filter`, implements ``refuse`` and is named in an entry point of the group
``nova.scheduler.filters``. A reason is read by the owner of the server, so it names no host and no other project.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar

from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec

Refused = list[tuple[HostState, str]]


class Filter(abc.ABC):
    """``label`` stands for the filter in messages; ``always`` filters also run for a forced host, ``on_rebuild`` ones
    for a server that gets another image where it is."""

    label: ClassVar[str] = ""
    always: ClassVar[bool] = False
    on_rebuild: ClassVar[bool] = False

    def applies(self, spec: RequestSpec) -> bool:
        """False when this request cannot be refused by this filter; it is then left out at no cost per host."""
        return True

    @abc.abstractmethod
    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        """None when the host will do, else the reason why not."""

    def sift(self, hosts: Sequence[HostState], spec: RequestSpec) -> tuple[list[HostState], Refused]:
        """Passed and refused hosts. A filter that can do better than one call per host overrides this."""
        passed: list[HostState] = []
        refused: Refused = []
        refuse = self.refuse
        for host in hosts:
            reason = refuse(host, spec)
            if reason is None:
                passed.append(host)
            else:
                refused.append((host, reason))
        return passed, refused
