# SPDX-License-Identifier: Apache-2.0
"""nova-manage operation: what is under way, what became of it, and a hand on what does not move."""

from __future__ import annotations

import datetime
from typing import Any

import click
import orjson

from nova.cmd.commandline import Tool
from nova.cmd.manage.reach import cells_of
from nova.cmd.manage.tool import State
from nova.conductor import intervene
from nova.store.operation_search import STATES, Found, OperationSearch, Wanted

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Age(click.ParamType[float]):
    """Seconds, or a number with s, m, h or d behind it."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float | int):
            return float(value)
        number, unit = (value[:-1], value[-1]) if value and value[-1] in _UNITS else (value, "s")
        try:
            return float(number) * _UNITS[unit]
        except ValueError:
            self.fail(f"{value!r} is not an age; write seconds, or a number with s, m, h or d behind it", param, ctx)


@click.group(cls=Tool)
def operation() -> None:
    """Operations: what users asked to have done to servers, in the API database and in all cells."""


@operation.command("list")
@click.option("--server", help="Only of the server with this UUID.")
@click.option("--host", help="Only those that run on this host.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES),
              help="Only in this state; may be repeated.  [default: open and undoing]")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@click.option("--action", help="Only of this kind, like create or live-migration.")
@click.option("--older-than", type=Age(), help="Only those accepted longer ago, like 90, 15m or 2d.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many.")
@click.pass_obj
def operation_list(state: State, server: str | None, host: str | None, states: tuple[str, ...], everything: bool,
                   action: str | None, older_than: float | None, limit: int) -> None:
    """Operations, oldest first. Cells that do not answer are named on stderr; exit code 1 then."""
    wanted = Wanted(STATES if everything else states or None, server, host, action, older_than, limit)
    with cells_of(state) as (api, cells):
        search = OperationSearch(api, cells)
        found = search.find(wanted)
        state.show(["UUID", "Server", "Action", "State", "Level", "Step", "Owner", "Age", "Due", "Where", "Progress"],
                   [_listed(f, state) for f in found])
        _tell_silent(search)


@operation.command("show")
@click.argument("uuid")
@click.pass_obj
def operation_show(state: State, uuid: str) -> None:
    """One operation: its steps, events, owner with lease, when it is due, its fault."""
    with cells_of(state) as (api, cells):
        search = OperationSearch(api, cells)
        found = search.get(uuid)
        facts = described(found, search.events(found), lease=float(state.conf.lease))
    if state.output == "json":
        click.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2, default=str))
        return
    state.show(["Field", "Value"], [[k, _short(v)] for k, v in facts.items() if k not in ("steps", "events")])
    state.show(["Step", "Level", "Undo", "Stands", "What"],
               [[s["name"], s["level"], "yes" if s["undo"] else "", s["stands"], s["doc"]] for s in facts["steps"]])
    state.show(["Event", "Host", "Started", "Seconds", "Result", "Details"],
               [[e["event"], e["host"], e["started_at"], e["seconds"], e["result"], _short(e["details"])]
                for e in facts["events"]])


@operation.command("retry")
@click.argument("uuids", nargs=-1, required=True, metavar="UUID...")
@click.pass_obj
def operation_retry(state: State, uuids: tuple[str, ...]) -> None:
    """Make operations due at once, and free them of owners whose lease is over. Refused while somebody moves them."""
    with cells_of(state) as (api, cells):
        search = OperationSearch(api, cells)
        done = [[uuid, intervene.retry(api, search.get(uuid), lease=float(state.conf.lease))] for uuid in uuids]
        state.show(["UUID", "Done"], done)


@operation.command("cancel")
@click.argument("uuids", nargs=-1, required=True, metavar="UUID...")
@click.option("--by", default="an operator", show_default=True, help="Who asks, for the server's owner to read.")
@click.pass_obj
def operation_cancel(state: State, uuids: tuple[str, ...], by: str) -> None:
    """Have operations undone, under a new epoch. Refused, with the reason, where there is no way back."""
    with cells_of(state) as (api, cells):
        search = OperationSearch(api, cells)
        done = [[uuid, intervene.cancel(api, search.get(uuid), by=by)] for uuid in uuids]
        state.show(["UUID", "Done"], done)


def described(found: Found, events: list[dict[str, Any]], *, lease: float) -> dict[str, Any]:
    """An operation as a document for people and programs; times are ISO 8601."""
    row, owner = found.row, found.owner
    shape = intervene.shape_of(row["action"])
    return {
        "uuid": row["uuid"], "server": row["instance_uuid"], "action": row["action"], "state": row["state"],
        "where": found.place, "level": row["level"], "host": row["host"], "step": row["step"],
        "owner": None if owner is None else {"incarnation": owner.incarnation, "service": owner.binary,
                                             "host": owner.host, "last_heard_seconds_ago": owner.age,
                                             "lease_seconds": lease, "lives": owner.lives(lease)},
        "attempt": row["attempt"], "epoch": row["epoch"], "progress": row["progress"],
        "due": moment(row["due_at"]), "due_in_seconds": _until(row["due_at"], found.now),
        "deadline": moment(row["deadline"]), "deadline_in_seconds": _until(row["deadline"], found.now),
        "accepted": moment(row["created_at"]), "changed": moment(row["updated_at"]),
        "ended": moment(row["finished_at"]), "project": row["project_id"], "user": row["user_id"],
        "request": row["request_id"], "fault": row["fault"],
        "steps": [{"name": s.name, "level": s.level, "undo": s.undo, "doc": s.doc,
                   "stands": "here" if s.name == row["step"] and found.open else ""}
                  for s in (shape.steps if shape else ())],
        "events": [{"event": e["event"], "host": e["host"], "started_at": moment(e["started_at"]),
                    "seconds": _until(e["finished_at"], e["started_at"]), "result": e["result"],
                    "details": e["details"], "traceback": e["traceback"], "data": e["data"]} for e in events]}


def moment(at: float | None) -> str | None:
    return None if at is None else datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds")


def _until(at: float | None, now: float) -> float | None:
    return None if at is None else round(at - now, 3)


def _listed(found: Found, state: State) -> list[Any]:
    row, owner = found.row, found.owner
    level = f"host {row['host']}" if row["level"] == "host" else row["level"]
    held = "" if owner is None else (owner.host or "earlier start") + (
        "" if owner.lives(float(state.conf.lease)) else " (silent)")
    due = "" if not found.open else "held" if row["due_at"] is None else f"{row['due_at'] - found.now:+.0f} s"
    return [row["uuid"], row["instance_uuid"], row["action"], row["state"], level, row["step"], held,
            f"{found.now - row['created_at']:.0f} s", due, found.place, row["progress"]]


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return orjson.dumps(value, default=str).decode()[:400]
    return value[:400] if isinstance(value, str) else value


def _tell_silent(search: OperationSearch) -> None:
    for name, said in sorted(search.silent.items()):
        click.echo(f"cell {name} did not answer: {said}", err=True)
    if search.silent:
        raise SystemExit(1)
