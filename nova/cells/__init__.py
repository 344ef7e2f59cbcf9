# SPDX-License-Identifier: Apache-2.0
"""Cells: which database and which bus serve a server, and asking all of them at once.

Engines and transports are made on demand and kept; the mapping rows are cached for a few seconds.
"""

from nova.cells.directory import Cell, Cells

__all__ = ["Cell", "Cells"]
