# SPDX-License-Identifier: Apache-2.0
"""``.. nova-decisions::``: the records in ``doc/decisions``, in the order of their numbers."""

from __future__ import annotations

import os
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

RECORDS = Path(__file__).resolve().parents[2] / "decisions"


class DecisionsDirective(SphinxDirective):
    """Includes every record; a new file needs no other change than to be there."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for path in sorted(RECORDS.glob("[0-9]*.md")):
            # Sphinx reads a leading slash as the top of its sources.
            lines += [f".. include:: /{os.path.relpath(path, self.env.srcdir)}", "   :parser: myst_parser.sphinx_", ""]
        self.state_machine.insert_input(lines, str(RECORDS))
        return []
