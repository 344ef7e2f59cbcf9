# SPDX-License-Identifier: Apache-2.0
"""nova-manage audit: what is held by no living server."""

from __future__ import annotations

import collections
from typing import Protocol

import click

from nova import concurrency
from nova.cmd.manage.reach import cells_of
from nova.cmd.manage.tool import State
from nova.conductor.audit import KINDS, Auditor, Leak

FOUND = 3


class _Audit(Protocol):
    def scan(self) -> list[Leak]: ...

    def repair(self, leaks: list[Leak]) -> int: ...


@click.command("audit")
@click.option("--repair", is_flag=True, help="Release what two scans both saw.")
@click.option("--interval", type=click.FloatRange(min=0), default=60.0, show_default=True,
              help="Seconds between the two scans of --repair.")
@click.option("--summary", is_flag=True, help="Only how many there are of each class, also of those without any.")
@click.option("--hosts", is_flag=True, help="Ask the hosts, over the bus, for guests and disks of nobody instead.")
@click.pass_obj
def audit(state: State, repair: bool, interval: float, summary: bool, hosts: bool) -> None:
    """Compare claims, ports, addresses, quota, attachments and records with the living servers of all cells.

    Servers with an operation under way are left alone, and nothing is said of cells that do not answer. A conductor
    does the same by itself; this tells, and with --repair does it now. Hosts look after guests and disks by
    themselves; with --hosts they are asked what they would remove. Exit code 3 when something was found and not
    repaired.
    """
    if hosts:
        found = _of_hosts(state, repair, interval, summary)
    else:
        with cells_of(state, timeout=60) as (api, cells):
            found = _run(state, Auditor(api, cells), KINDS, (repair, interval, summary))
    if found and not repair:
        raise SystemExit(FOUND)


def _of_hosts(state: State, repair: bool, interval: float, summary: bool) -> list[Leak]:
    from nova.cmd.wiring.bus import Identity
    from nova.cmd.wiring.plane import control_plane
    from nova.conductor.auditing.hosts import HOST_KINDS, HostAudit

    plane = control_plane(state.conf, Identity.of("nova-manage", state.conf.host))
    asked = HostAudit(plane.cells, lease=float(state.conf.lease))
    found = _run(state, asked, HOST_KINDS, (repair, interval, summary))
    for host, why in sorted(asked.silent.items()):
        click.echo(f"host {host} did not answer: {why}", err=True)
    return found


def _run(state: State, auditor: _Audit, kinds: dict[str, str], wishes: tuple[bool, float, bool]) -> list[Leak]:
    repair, interval, summary = wishes
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
                    for kind, what in kinds.items()])
    else:
        now = dict.fromkeys(both, "released")
        state.show(["Kind", "Subject", "Detail", "State"],
                   [[leak.kind, leak.subject, leak.detail, now.get(leak, "gone" if repair else "found")]
                    for leak in found])
    return found
