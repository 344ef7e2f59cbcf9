# SPDX-License-Identifier: Apache-2.0
"""A daemon on a host, as its peers see it: alive or not, enabled or not."""

from __future__ import annotations

from nova.objects.base import NovaObject, register, remotable


@register
class Service(NovaObject):
    """``incarnation`` is the uuid of this start; leases of operations hang on it. ``version`` is the RPC level."""

    uuid: str
    host: str
    binary: str
    topic: str
    version: int = 1
    incarnation: str | None
    availability_zone: str | None
    report_count: int = 0
    last_seen: float | None
    disabled: bool = False
    disabled_reason: str | None
    forced_down: bool = False
    created_at: float | None
    updated_at: float | None

    @remotable
    def register(self) -> None:
        """Enter this start in the cell; takes over what the row already knows (disabled, zone)."""
        self.take(self.store.service_register(self))

    @remotable
    def heartbeat(self) -> None:
        """Renew the lease."""
        self.store.service_heartbeat(self.uuid, self.incarnation or "")
