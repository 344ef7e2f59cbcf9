# SPDX-License-Identifier: Apache-2.0
"""How the documentation is built: ``python -m sphinx -W -b html doc/source doc/build/html``. Warnings are errors."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "doc" / "ext")]

import nova  # noqa: E402 - the path comes first

project = "nova-controller"
author = "the nova-controller authors"
copyright = author
version = release = nova.__version__

extensions = ["myst_parser", "nova_docs"]
nitpicky = True
exclude_patterns: list[str] = []

html_theme = "furo"
html_title = f"nova-controller {version}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sphinx = False
html_copy_source = False
