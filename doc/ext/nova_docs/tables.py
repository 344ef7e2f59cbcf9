# SPDX-License-Identifier: Apache-2.0
"""Tables and paragraphs as docutils nodes. What stands in them is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docutils import nodes

Cell = str | nodes.Node


def paragraph(*parts: Cell) -> nodes.paragraph:
    made = nodes.paragraph()
    for part in parts:
        made += part if isinstance(part, nodes.Node) else nodes.Text(part)
    return made


def code(text: str) -> nodes.literal:
    return nodes.literal(text, text)


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], widths: Sequence[int]) -> nodes.table:
    """A table with a head row; ``widths`` are relative."""
    group = nodes.tgroup(cols=len(columns))
    group += [nodes.colspec(colwidth=width) for width in widths]
    head = nodes.thead()
    head += _row(columns)
    body = nodes.tbody()
    body += [_row(row) for row in rows]
    group += [head, body]
    made = nodes.table(classes=["generated"])
    made += group
    return made


def _row(cells: Sequence[Cell]) -> nodes.row:
    made = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += paragraph(cell)
        made += entry
    return made


def section(title: str, identifier: str, *content: nodes.Node) -> nodes.section:
    made = nodes.section(ids=[identifier], names=[])
    made += nodes.title(title, title)
    made += list(content)
    return made
