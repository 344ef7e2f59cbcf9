# SPDX-License-Identifier: Apache-2.0
"""``.. nova-rules::``: every rule of the policy with its default and the operations that ask for it."""

from __future__ import annotations

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from nova.cmd.policy import operations
from nova.policy import sample
from nova_docs.tables import code, paragraph, section


class RulesDirective(SphinxDirective):
    """A section per API, and an entry per rule."""

    def run(self) -> list[nodes.Node]:
        asked = operations()
        made = []
        for title, rules in sample.GROUPS:
            entries = nodes.definition_list()
            for rule in rules:
                item, meaning = nodes.definition_list_item(), nodes.definition()
                item += nodes.term("", "", code(rule.name))
                meaning += paragraph(f"{rule.description.rstrip('.')}. Default: ", code(str(rule.check_str)), ".")
                if rule.name in asked:
                    parts = [part for told in asked[rule.name] for part in (code(told), ", ")]
                    meaning += paragraph(*parts[:-1])
                item += meaning
                entries += item
            made.append(section(title, "rules-" + title.lower().replace(" ", "-"), entries))
        return made
