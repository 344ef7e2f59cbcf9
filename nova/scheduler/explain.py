# SPDX-License-Identifier: Apache-2.0
"""A decision in words, from the decision alone: a sentence for the owner of the server, a table for administrators."""

from __future__ import annotations

from nova.scheduler.engine import Decision

#: What every client knows of this failure.
FIRST_SENTENCES = "No valid host was found. There are not enough hosts available."

#: The wire format's room for a fault message.
LONGEST_FAULT = 255


def fault_message(decision: Decision) -> str:
    """The reason per filter with how many hosts fell there, the most telling first; names no host."""
    if not decision.considered:
        return f"{FIRST_SENTENCES} No compute host is known yet."
    hosts = "1 host" if decision.considered == 1 else f"{decision.considered} hosts"
    text = f"{FIRST_SENTENCES} {hosts} considered: "
    entries = sorted(decision.reasons.items(), key=lambda item: -item[1]["count"])
    parts = [f"{label} {entry['count']} ({entry['example']})" for label, entry in entries]
    for count in range(len(parts), 0, -1):
        more = "" if count == len(parts) else f", {len(parts) - count} more"
        message = f"{text}{', '.join(parts[:count])}{more}."
        if len(message) <= LONGEST_FAULT:
            return message
    labels = ", ".join(f"{label} {entry['count']}" for label, entry in entries)
    return f"{text}{labels}."[:LONGEST_FAULT]


def table(decision: Decision) -> str:
    """Every filter with its count and the refused hosts with their reasons, then the weights of the best."""
    lines = [f"{decision.considered} hosts considered, {decision.candidates} passed all filters."]
    for label, entry in decision.reasons.items():
        lines.append(f"{label}: {entry['count']} refused")
        lines.extend(f"  {host}: {reason}" for host, reason in entry["hosts"].items())
        unnamed = entry["count"] - len(entry["hosts"])
        if unnamed > 0:
            lines.append(f"  and {unnamed} more")
    if decision.selected is not None:
        lines.append(f"Selected {decision.selected.host}; "
                     f"alternates: {', '.join(a.host for a in decision.alternates) or 'none'}")
        lines.extend(f"  {host}: weight {weight:.3f}" for host, weight in decision.weights.items())
    return "\n".join(lines)
