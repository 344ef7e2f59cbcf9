# SPDX-License-Identifier: Apache-2.0
"""``.. nova-rows::`` and ``.. nova-packages::``: the import contract as a picture and as a table.

Rows come from ``.importlinter``, packages from the disk; a package that the contract foresees and nobody has written
yet is drawn with a dashed line. The picture is SVG of our own making, so that building needs no other program;
``PYTHONPATH=doc/ext python -m nova_docs.packages`` prints it.
"""

from __future__ import annotations

import ast
import configparser
from pathlib import Path
from xml.sax.saxutils import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from nova_docs.tables import Cell, code, table

ROOT = Path(__file__).resolve().parents[3]
_WIDTH, _ROW, _BOX, _GAP, _LEFT = 860, 46, 30, 8, 46
_EDGE = 2


def rows() -> list[list[str]]:
    """The names on each row of the contract, the highest row first."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    lines = parser["importlinter:contract:rows"]["layers"].strip().splitlines()
    return [[name.strip(" ()") for name in line.split("|")] for line in lines]


def source(name: str) -> Path | None:
    """The file that speaks for a package or module of ``nova``; None when there is none."""
    for path in (ROOT / "nova" / name / "__init__.py", ROOT / "nova" / f"{name}.py"):
        if path.is_file():
            return path
    return None


def about(name: str) -> str:
    """The first sentence of its docstring."""
    path = source(name)
    if path is None:
        return "not written yet"
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0].split())
    end = text.find(". ")
    return text if end < 0 else text[:end + 1]


def files(name: str) -> int:
    path = source(name)
    if path is None:
        return 0
    return len(list(path.parent.rglob("*.py"))) if path.name == "__init__.py" else 1


def picture() -> str:
    """The rows as SVG; it takes the colours of the page."""
    found = rows()
    height = len(found) * _ROW + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + _EDGE} {height}" role="img" class="rows" '
             f'font-family="sans-serif" aria-label="Packages of nova by row; each imports rows below its own only">',
             '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto">'
             '<path d="M0,0 L8,4 L0,8 z" fill="currentColor"/></marker></defs>',
             f'<line x1="14" y1="8" x2="14" y2="{height - 12}" stroke="currentColor" marker-end="url(#tip)"/>']
    for number, names in enumerate(found):
        parts += _row(number, names)
    return "\n".join([*parts, "</svg>"])


def _row(number: int, names: list[str]) -> list[str]:
    top = 6 + number * _ROW
    width = min(190.0, (_WIDTH - _LEFT - _GAP * (len(names) - 1)) / len(names))
    parts = [f'<text x="26" y="{top + 20}" font-size="12" fill="currentColor" opacity="0.6">{number + 1}</text>']
    for place, name in enumerate(names):
        left = _LEFT + place * (width + _GAP)
        there = source(name) is not None
        dash = "" if there else ' stroke-dasharray="4 3" opacity="0.5"'
        parts.append(
            f'<g{dash}><title>{escape(about(name))}</title><rect x="{left:.0f}" y="{top}" width="{width:.0f}" '
            f'height="{_BOX}" rx="4" fill="none" stroke="currentColor"/><text x="{left + width / 2:.0f}" '
            f'y="{top + 20}" font-size="13" text-anchor="middle" fill="currentColor">{escape(name)}</text></g>')
    return parts


class RowsDirective(SphinxDirective):
    """The picture; in other formats than HTML the same rows as text."""

    def run(self) -> list[nodes.Node]:
        for path in (ROOT / ".importlinter", *(p for names in rows() for name in names if (p := source(name)))):
            self.env.note_dependency(str(path))
        if self.env.app.builder.format == "html":
            return [nodes.raw("", f'<div class="picture">{picture()}</div>', format="html")]
        text = "\n".join(f"{number + 1:2}  {'  '.join(names)}" for number, names in enumerate(rows()))
        return [nodes.literal_block(text, text)]


class PackagesDirective(SphinxDirective):
    """What each package is, in its own words."""

    def run(self) -> list[nodes.Node]:
        made: list[list[Cell]] = [[str(number + 1), code(name), about(name), str(files(name) or "–")]
                                  for number, names in enumerate(rows()) for name in names]
        return [table(("Row", "Package", "What it says of itself", "Files"), made, (6, 16, 70, 8))]


if __name__ == "__main__":
    print(picture())
