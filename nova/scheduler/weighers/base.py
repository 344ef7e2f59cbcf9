# SPDX-License-Identifier: Apache-2.0
"""What a weigher is: a pure function of one host and one request that gives a number; more is better.

The engine brings the numbers of all candidates to 0..1, multiplies them with the weigher's multiplier and adds them up.
A weigher of an operator subclasses :class:`Weigher` and is named in an entry point of ``nova.scheduler.weighers``.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar

from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class Weigher(abc.ABC):
    """``option`` is the multiplier's option in [filter_scheduler], and the aggregate metadata key that overrides it."""

    option: ClassVar[str]
    default: ClassVar[float] = 1.0

    def applies(self, spec: RequestSpec) -> bool:
        """False when this request makes no difference to this weigher."""
        return True

    @abc.abstractmethod
    def weigh(self, host: HostState, spec: RequestSpec) -> float:
        """A finite number."""

    def weights(self, hosts: Sequence[HostState], spec: RequestSpec) -> list[float]:
        """The number of each host, in their order."""
        return [self.weigh(host, spec) for host in hosts]
