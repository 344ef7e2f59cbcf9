# SPDX-License-Identifier: Apache-2.0
"""Records that come twice. Who gets no answer says its record again, and both may arrive, at once or in any order: the
row remembers the last number of each of its last speakers, so that a record is written once and never over a later one.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from nova import errors

#: So many speakers a row remembers: those whose record may still be on its way.
_REMEMBERED = 4
_LONGEST = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Saying:
    """``speaker`` is a start of a host; its ``number`` rises with each record, whatever the row."""

    speaker: str
    number: int

    @classmethod
    def of(cls, said: Any) -> Self | None:
        """What a record carries; None: it may not come twice. Raises Invalid."""
        if said is None:
            return None
        match said:
            case [str(speaker), int(number)] if (speaker.isalnum() and speaker.isascii() and len(speaker) <= _LONGEST
                                                 and 0 < number < 2**63):
                return cls(speaker, number)
        raise errors.Invalid("A record carries who says it and a number.")

    def written(self, recorded: str) -> bool:
        """Was this very record written, as the row tells? Stale: a later one of the same speaker was; nobody waits for
        an answer to this one."""
        last = _parsed(recorded).get(self.speaker, 0)
        if self.number < last:
            raise errors.Stale("A later record of the same host was written already.")
        return self.number == last

    def after(self, recorded: str) -> str:
        """What the row tells when it is written."""
        others = [item for item in _parsed(recorded).items() if item[0] != self.speaker]
        kept = [*others, (self.speaker, self.number)][-_REMEMBERED:]
        return " ".join(f"{speaker}:{number}" for speaker, number in kept)


def _parsed(recorded: str) -> dict[str, int]:
    return {speaker: int(number) for speaker, _, number in (word.partition(":") for word in recorded.split())}
