# SPDX-License-Identifier: Apache-2.0
"""The host has the traits that flavor and image require and none that the flavor forbids."""

from nova.scheduler.filters.base import Filter
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec


class TraitsFilter(Filter):
    """``trait:NAME`` = required or forbidden."""

    label = "traits"
    on_rebuild = True

    def applies(self, spec: RequestSpec) -> bool:
        return bool(spec.required_traits or spec.forbidden_traits)

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        if missing := spec.required_traits - host.traits:
            return f"lacks {', '.join(sorted(missing))}"
        if unwanted := spec.forbidden_traits & host.traits:
            return f"has {', '.join(sorted(unwanted))}"
        return None
