# SPDX-License-Identifier: Apache-2.0
"""What an audit finds: one thing that is held by nobody, or counted wrongly."""

from __future__ import annotations

import dataclasses
from typing import Any

#: Every class of leak, in words.
KINDS = {
    "claim": "resources claimed for a server that does not live",
    "excess_claim": "resources of a host that the server is not on",
    "migration": "resources kept for the way back of a move that is over",
    "counter": "a used amount that is not the sum of its claims",
    "port": "a port of a server that does not live",
    "address": "an address of a port that does not exist",
    "floating": "a floating address that leads to a port that does not exist",
    "membership": "a membership in a security group of a port that does not exist",
    "charge": "quota charged for a server that is deleted",
    "hold": "quota held for a resize that is over, or never came to be",
    "usage": "a quota usage that is not the sum of its charges",
    "member": "a member of a server group that does not live",
    "copy": "a server in a cell that its mapping does not place there",
    "mapping": "the mapping of a server that no database has",
    "build_request": "the request of a create that is over",
    "attachment": "a volume recorded as attached to a deleted server",
}


@dataclasses.dataclass(frozen=True, order=True)
class Leak:
    """``kind`` is one of :data:`KINDS`, ``subject`` the uuid or name of what is held, ``detail`` what is wrong;
    ``key`` is what to look at to see it again, ``fix`` frees it."""

    kind: str
    subject: str
    detail: str = dataclasses.field(compare=False, default="")
    fix: Any = dataclasses.field(compare=False, default=None, repr=False)
    key: str = dataclasses.field(compare=False, default="")
