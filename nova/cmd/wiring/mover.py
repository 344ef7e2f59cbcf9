# SPDX-License-Identifier: Apache-2.0
"""How a conductor asks for the moves that operators can ask for: through the same acceptance, in its own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nova.context import RequestContext

if TYPE_CHECKING:
    from nova.operations import Operations


class OperationsMover:
    """Implements :class:`nova.conductor.drains.Mover`. ``make`` builds what accepts, when the first move is asked for:
    a conductor that empties no host has no need of it."""

    def __init__(self, make: Callable[[], Operations]) -> None:
        self._make = make
        self._made: Operations | None = None

    @property
    def _operations(self) -> Operations:
        if self._made is None:
            self._made = self._make()
        return self._made

    def live_migrate(self, context: RequestContext, uuid: str) -> Any:
        return self._operations.live_migrate(context, uuid)

    def migrate(self, context: RequestContext, uuid: str) -> Any:
        return self._operations.migrate(context, uuid)

    def confirm_resize(self, context: RequestContext, uuid: str) -> Any:
        return self._operations.confirm_resize(context, uuid)

    def evacuate(self, context: RequestContext, uuid: str) -> Any:
        return self._operations.evacuate(context, uuid, unheard=True)

    def shelve_offload(self, context: RequestContext, uuid: str) -> Any:
        return self._operations.shelve_offload(context, uuid)

    def unrescue(self, context: RequestContext, uuid: str) -> Any:
        return self._operations.unrescue(context, uuid)
