# SPDX-License-Identifier: Apache-2.0
"""How much of a console log is shown. Where the log comes from is the driver's affair."""

from __future__ import annotations

#: As much of a log as is ever given out; more would be a burden on the bus.
MAX_CHARS = 100 * 1024


def tail(text: str, lines: int | None) -> str:
    """The last ``lines`` lines (all if None), and of these at most :data:`MAX_CHARS` characters.

    What stands behind the last line feed counts as a line, also when it is nothing.
    """
    text = text[-MAX_CHARS:]
    if lines is None:
        return text
    return "\n".join(text.split("\n")[-lines:]) if lines > 0 else ""
