# SPDX-License-Identifier: Apache-2.0
"""URLs of databases and brokers as they are shown: without passwords."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(?<=[/,])([^:/@,]*):[^@/]*@")


def masked(url: str) -> str:
    """The URL with ``***`` for each password; a broker URL may name several hosts with one each."""
    return _PASSWORD.sub(r"\1:***@", url)
