# SPDX-License-Identifier: Apache-2.0
"""nova-manage host drain, drain-status, drain-cancel: emptying a host. The conductor does it; this asks and looks."""

from __future__ import annotations

from typing import Any

import click
import orjson

from nova import concurrency, errors
from nova.cmd.manage.operations import moment
from nova.cmd.manage.tool import State
from nova.context import service_context
from nova.db.engine import Database
from nova.operations import drains
from nova.operations.drains import Wanted

_LOOK = 1.0


@click.command("drain")
@click.argument("hostname")
@click.option("--parallel", type=click.IntRange(1, drains.MOST_PARALLEL), default=20, show_default=True,
              help="So many servers are on their way at a time.")
@click.option("--live", "mode", flag_value="live", help="Only by live migration; what does not move so stays.")
@click.option("--cold", "mode", flag_value="cold", help="Only by cold migration: servers stop for it.")
@click.option("--confirm-resizes", is_flag=True, help="Confirm resizes and migrations away from the host that wait for "
                                                      "it; otherwise those servers are named.")
@click.option("--reason", help="Shown as the reason for which the host is disabled.")
@click.option("--wait", is_flag=True, help="Stay until it has ended and show how far it is. Exit code 1 when servers "
                                           "could not be moved.")
@click.pass_obj
def drain(state: State, hostname: str, parallel: int, mode: str | None, confirm_resizes: bool, reason: str | None,
          wait: bool) -> None:
    """Empty the host HOSTNAME: it is disabled, and every server moves elsewhere, running ones live and else cold.

    A nova-conductor with role api does it, and another goes on where it dies. Looking again with drain-status, or
    waiting, changes nothing.
    """
    with state.database("api", synced=True) as api:
        made = drains.accept(api, service_context(), Wanted(hostname, mode or "auto", parallel, reason,
                                                           confirm_resizes))
        found = _wait(api, made["uuid"]) if wait else made
        _show(state, [found])
    if wait and found["state"] != "done":
        raise SystemExit(1)


@click.command("drain-status")
@click.argument("which", required=False, metavar="[HOSTNAME|UUID]")
@click.pass_obj
def drain_status(state: State, which: str | None) -> None:
    """How far drains are; of one, by its UUID or the newest of a host, also each server."""
    with state.database("api", synced=True) as api:
        if which is None:
            _show(state, drains.find(api))
            return
        of_host = drains.find(api, which)
        _show_one(state, drains.show(api, of_host[0]["uuid"] if of_host else which))


@click.command("drain-cancel")
@click.argument("uuid")
@click.pass_obj
def drain_cancel(state: State, uuid: str) -> None:
    """Move no further server; those on their way arrive. The host stays disabled."""
    with state.database("api", synced=True) as api:
        drains.cancel(api, uuid)
        _show(state, [drains.show(api, uuid)])


def _wait(api: Database, uuid: str) -> dict[str, Any]:
    told = ""
    while (found := drains.show(api, uuid))["state"] == "open":
        now = _progress(found["counts"])
        if now != told:
            click.echo(now, err=True)
            told = now
        concurrency.sleep(_LOOK)
    if found["state"] == "cancelled":
        raise errors.Conflict("the drain was called off")
    return found


def _progress(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing yet"


def _show(state: State, found: list[dict[str, Any]]) -> None:
    state.show(["UUID", "Host", "Kind", "Mode", "Parallel", "State", "Progress", "Message", "Since"],
               [[d["uuid"], d["host"], d["kind"], d["mode"], d["parallel"], d["state"], _progress(d["counts"]),
                 d["message"], moment(d["created_at"])] for d in found])


def _show_one(state: State, found: dict[str, Any]) -> None:
    if state.output == "json":
        kept = ("uuid", "host", "kind", "mode", "parallel", "state", "reason", "message", "counts")
        servers = [{k: s[k] for k in ("instance_uuid", "state", "way", "tried", "message")} for s in found["servers"]]
        click.echo(orjson.dumps({k: found[k] for k in kept} | {"servers": servers}, option=orjson.OPT_INDENT_2))
        return
    _show(state, [found])
    state.show(["Server", "State", "Way", "Tried before", "Message"],
               [[s["instance_uuid"], s["state"], s["way"],
                 "; ".join(f"{t['way']}: {t['message']}" for t in s["tried"]), s["message"]] for s in found["servers"]])
