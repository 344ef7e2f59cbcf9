# SPDX-License-Identifier: Apache-2.0
"""Operations that a user may name but no service of this cloud can do: who may ask, and when, is checked first.

A refusal looks the same as from a host whose driver lacks the ability: the state of the server stays as it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nova import errors, states
from nova.context import RequestContext
from nova.operations.acceptance import Deps, check_state, located, refuse_locked


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """``name`` is the operation in the words of the API; ``lacks`` is what is missing."""

    transition: str
    name: str
    lacks: str
    error: type[errors.NovaError] = errors.Conflict

    def told(self, uuid: str) -> errors.NovaError:
        return self.error(f"Cannot '{self.name}' instance {uuid}: {self.lacks}.")


_NO_VOLUMES = "there is no volume service"
_NO_SHARES = "there is no share service"

REFUSALS: dict[str, Refusal] = {
    "attach_volume": Refusal("attach_volume", "attach_volume", _NO_VOLUMES, errors.NotFound),
    "detach_volume": Refusal("attach_volume", "detach_volume", _NO_VOLUMES),
    "swap_volume": Refusal("swap_volume", "swap_volume", _NO_VOLUMES, errors.NotFound),
    "attach_share": Refusal("attach_share", "attach_share", _NO_SHARES, errors.NotFound),
}


def check(deps: Deps, context: RequestContext, uuid: str, transition: str, name: str) -> dict[str, Any]:
    """The server's row, if lock and state allow ``transition``."""
    _, row = located(deps, context, uuid)
    if states.TRANSITIONS[transition].locked:
        refuse_locked(context, row)
    check_state(row, transition, name)
    return row


def refuse(deps: Deps, context: RequestContext, uuid: str, what: str,
           first: Callable[[], Any] = lambda: None) -> None:
    """Always raises: NotFound, Conflict for lock and state, what ``first`` finds wrong, the refusal."""
    refusal = REFUSALS[what]
    check(deps, context, uuid, refusal.transition, refusal.name)
    first()
    raise refusal.told(uuid)
