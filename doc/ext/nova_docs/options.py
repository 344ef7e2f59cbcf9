# SPDX-License-Identifier: Apache-2.0
"""``.. nova-options::``: every option of ``nova.conf``, from :func:`nova.conf.list_opts`."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from oslo_config import cfg
from sphinx.util.docutils import SphinxDirective

from nova import conf as options
from nova_docs.tables import code, paragraph, section


class OptionsDirective(SphinxDirective):
    """A section per section of the file, and an entry per option: type, default, meaning, choices, limits."""

    def run(self) -> list[nodes.Node]:
        made = []
        for module in options.sections():
            group = module.GROUP or "DEFAULT"
            entries = nodes.definition_list()
            entries += [_entry(opt) for opt in module.OPTS]
            about = (module.__doc__ or "").strip().splitlines()[0]
            identifier = f"section-{module.__name__.rpartition('.')[2].replace('_', '-')}"
            made.append(section(f"[{group}] – {about.rstrip('.')}", identifier, entries))
        return made


def _entry(opt: cfg.Opt) -> nodes.definition_list_item:
    item = nodes.definition_list_item()
    term = nodes.term("", "", code(opt.name), nodes.Text(f"  {_kind(opt)}"))
    meaning = nodes.definition()
    meaning += paragraph(opt.help or "")
    choices = getattr(opt.type, "choices", None)
    if choices:
        meaning += _choices(choices)
    meaning += paragraph("Default: ", _default(opt), _limits(opt), ". A reload changes it." if opt.mutable else ".")
    item += [term, meaning]
    return item


def _kind(opt: cfg.Opt) -> str:
    return str(getattr(opt.type, "type_name", "string value")).removesuffix(" value")


def _default(opt: cfg.Opt) -> Any:
    value = opt.sample_default if opt.sample_default is not None else opt.default
    if value is None:
        return nodes.Text("unset")
    if isinstance(value, list):
        value = ", ".join(str(v) for v in value)
    return code(str(value)) if str(value) else nodes.Text("empty")


def _limits(opt: cfg.Opt) -> str:
    bounds = [f"{word} {value}" for word, value in (("at least", getattr(opt.type, "min", None)),
                                                    ("at most", getattr(opt.type, "max", None))) if value is not None]
    return "; " + ", ".join(bounds) if bounds else ""


def _choices(choices: Any) -> nodes.bullet_list:
    """oslo.config keeps choices as a mapping of value to meaning."""
    made = nodes.bullet_list()
    for value, meaning in choices.items():
        item = nodes.list_item()
        item += paragraph(code(str(value)), f": {meaning}" if meaning else "")
        made += item
    return made
