# SPDX-License-Identifier: Apache-2.0
"""What our code logged as an error while a block ran: nothing that the chaos does is one, it must be expected."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self


class Complaints(logging.Handler):
    """Records of ``nova.*`` from ERROR on, while the block runs; ``check()`` raises what was found."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._formatter = logging.Formatter("%(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self._formatter.format(record))

    def __enter__(self) -> Self:
        logging.getLogger("nova").addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        logging.getLogger("nova").removeHandler(self)

    def check(self) -> None:
        assert not self.found, f"{len(self.found)} errors were logged:\n" + "\n".join(self.found)
