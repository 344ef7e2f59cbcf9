# SPDX-License-Identifier: Apache-2.0
"""nova-manage audit: what is held by no living server."""

from __future__ import annotations

import collections

import click

from nova import concurrency
from nova.cmd.manage.reach import cells_of
from nova.cmd.manage.tool import State
from nova.conductor.audit import KINDS, Auditor, Leak

FOUND = 3


@click.command("audit")
@click.option("--repair", is_flag=True, help="Release what two scans both saw.")
@click.option("--interval", type=click.FloatRange(min=0), default=60.0, show_default=True,
              help="Seconds between the two scans of --repair.")
@click.option("--summary", is_flag=True, help="Only how many there are of each class, also of those without any.")
@click.pass_obj
def audit(state: State, repair: bool, interval: float, summary: bool) -> None:
    """Compare claims, ports, addresses, quota, attachments and records with the living servers of all cells.

    Servers with an operation under way are left alone, and nothing is said of cells that do not answer. A conductor
    does the same by itself; this tells, and with --repair does it now. Guests and disks are looked after by their own
    host. Exit code 3 when something was found and not repaired.
    """
    with cells_of(state, timeout=60) as (api, cells):
        auditor = Auditor(api, cells)
        found = auditor.scan()
        both: list[Leak] = []
        if repair and found:
            click.echo(f"{len(found)} found; looking again in {interval:g} s", err=True)
            concurrency.sleep(interval)
            both = sorted(set(found) & set(auditor.scan()))
            auditor.repair(both)
    if summary:
        counts = collections.Counter(leak.kind for leak in found)
        state.show(["Kind", "What", "Found", "Released"],
                   [[kind, what, counts[kind], sum(leak.kind == kind for leak in both)]
                    for kind, what in KINDS.items()])
    else:
        now = dict.fromkeys(both, "released")
        state.show(["Kind", "Subject", "Detail", "State"],
                   [[leak.kind, leak.subject, leak.detail, now.get(leak, "gone" if repair else "found")]
                    for leak in found])
    if found and not repair:
        raise SystemExit(FOUND)
