# SPDX-License-Identifier: Apache-2.0
"""Hint ``same_host``: next to one of the servers named."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class SameHostFilter(Filter):
    """A host passes when it holds at least one of them."""

    label = "same host"

    def applies(self, spec: RequestSpec) -> bool:
        return bool(spec.hint_uuids("same_host"))

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        near = any(spec.located.get(uuid) == host.host for uuid in spec.hint_uuids("same_host"))
        return None if near else "holds none of the servers to be near"
