# SPDX-License-Identifier: Apache-2.0
"""Passwords for administrators of guests, where a request names none."""

from __future__ import annotations

import secrets
import string

_LENGTH = 12
#: One of each is what guests insist on.
_KINDS = (string.ascii_uppercase, string.ascii_lowercase, string.digits)


def generate() -> str:
    chosen = [secrets.choice(kind) for kind in _KINDS]
    chosen += [secrets.choice(string.ascii_letters + string.digits) for _ in range(_LENGTH - len(_KINDS))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen)
