# SPDX-License-Identifier: Apache-2.0
"""What a server's owner or its flavor says of failing hosts: the key ``ha:policy``. Acting on it is others' work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "ha:policy"
#: The server is brought up elsewhere when its host is known to be off, and stopped by a host that is cut off.
EVACUATE = "evacuate"
NONE = "none"


def policy(metadata: Mapping[str, Any] | None, flavor: Mapping[str, Any] | None) -> str:
    """The server's own metadata goes before its flavor's extra specs; what is not known means none."""
    specs = (flavor or {}).get("extra_specs") or {}
    said = (metadata or {}).get(KEY) or specs.get(KEY) or NONE
    return EVACUATE if str(said).strip().lower() == EVACUATE else NONE
