# SPDX-License-Identifier: Apache-2.0
"""Why a server is as it is, in words: what it is, what it waits for, what was tried, and what happens next and when.

It reads rows and tells what the janitor's rules make of them; it asks no process and changes nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.cells import Cell, Cells
from nova.conductor.intervene import shape_of
from nova.db.api import cells as mappings
from nova.db.api import host_drains, host_fences
from nova.db.api.tables import operations as api_operations
from nova.db.api.tables import services as api_services
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database
from nova.db.operations import OPEN_STATES, OperationTables
from nova.db.schema import db_now
from nova.db.services import ServiceTables

#: An operation, its events, and the time of its database.
_Known = tuple[dict[str, Any], list[dict[str, Any]], float]


@dataclasses.dataclass(frozen=True)
class Patience:
    """The options that decide when: seconds of a lease, until a host is shown as down, between a janitor's looks."""

    lease: float = 8.0
    down_after: float = 60.0
    look: float = 2.0


@dataclasses.dataclass
class Explanation:
    """``facts`` for programs, ``told`` sentences for people, in the order in which they want to know."""

    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    told: list[str] = dataclasses.field(default_factory=list)

    def say(self, sentence: str) -> None:
        self.told.append(sentence)


def explain(api: Database, cells: Cells, uuid: str, patience: Patience) -> Explanation:
    """Raises NotFound for a server that no mapping knows."""
    with api.read() as conn:
        mapping = mappings.mapping(conn, uuid)
        request = mappings.build_request(conn, uuid)
        above = api_operations.of_instance(conn, uuid)
        events = {r["uuid"]: api_operations.events_of(conn, r["uuid"]) for r in above}
        owners = _owners(conn, api_services)
    if mapping is None:
        raise errors.NotFound(f"there is no server {uuid}, and none is known to have been")
    found = Explanation({"server": uuid, "project": mapping["project_id"], "user": mapping["user_id"],
                         "cell": None, "cell_answers": None, "fence": mapping["fence"]})
    if mapping["cell_uuid"] is None:
        _without_cell(found, mapping, request)
        _operations(found, _at(api, api_operations, above, events), owners, patience, {}, api=True)
        return found
    cell = cells.get(mapping["cell_uuid"])
    found.facts["cell"] = cell.name
    try:
        _in_cell(found, cell, mapping, events, patience)
        _of_host(found, api, uuid)
    except errors.Unavailable as e:
        found.facts["cell_answers"] = False
        found.say(f"Its cell {cell.name} does not answer now: {e.message} "
                  f"{e.details.get('cause', '')}".strip() + " What follows is what the API database knows.")
        found.say(f"It {'is being deleted' if mapping['queued_for_delete'] else 'was placed there'}; its quota charge "
                  f"is {mapping['charge'] or 'given back'}. Actions on it are answered 503 until the cell is back; "
                  "nothing is lost meanwhile.")
        _operations(found, _at(api, api_operations, above, events), owners, patience, {}, api=True)
    return found


def _without_cell(found: Explanation, mapping: dict[str, Any], request: dict[str, Any] | None) -> None:
    if mapping["queued_for_delete"]:
        found.say("It was deleted before a cell had it.")
    elif request is not None:
        found.facts |= {"name": request["instance"].get("display_name"), "vm_state": states.BUILDING}
        found.say(f"Server {request['instance'].get('display_name')!r} is being created and no cell has it yet.")
    else:
        found.say("No cell has it and no create is recorded for it: a mapping of nobody. The auditor removes it.")


def _in_cell(found: Explanation, cell: Cell, mapping: dict[str, Any], events: dict[str, list[dict[str, Any]]],
             patience: Patience) -> None:
    uuid = mapping["instance_uuid"]
    with cell.database.read() as conn:
        row = instances.get(conn, uuid)
        rows = cell_operations.of_instance(conn, uuid)
        fault = instances.latest_faults(conn, [uuid]).get(uuid)
        owners = _owners(conn, cell_services)
        computes = {s["host"]: s for s in cell_services.list(conn, binary="nova-compute")}
    found.facts["cell_answers"] = True
    if row is None:
        found.say(f"Its mapping names cell {cell.name}, and that cell does not know it. The auditor removes it when "
                  "nothing is under way with it.")
        return
    _what_it_is(found, row, cell, mapping)
    if row["host"]:
        _host(found, row["host"], computes.get(row["host"]), patience)
    _operations(found, _at(cell.database, cell_operations, rows, events), owners, patience, computes, api=False)
    if fault is not None and row["vm_state"] in (states.ERROR, states.DELETED):
        found.facts["fault"] = {k: fault[k] for k in ("code", "message", "details", "host", "created_at")}
        where = f" on host {fault['host']}" if fault["host"] else ""
        found.say(f"Its last fault{where}: {fault['message']} (code {fault['code']})")


def _what_it_is(found: Explanation, row: dict[str, Any], cell: Cell, mapping: dict[str, Any]) -> None:
    status = states.status(row["vm_state"], row["task_state"])
    found.facts |= {"name": row["display_name"], "vm_state": row["vm_state"], "task_state": row["task_state"],
                    "power_state": row["power_state"], "status": status, "host": row["host"],
                    "locked": row["locked_by"], "epoch": row["epoch"]}
    place = f"on host {row['host']} in cell {cell.name}" if row["host"] else (
        "in cell0, where servers are kept that never got a host" if cell.is_cell0
        else f"in cell {cell.name}, on no host")
    task = f", at work on {row['task_state']}" if row["task_state"] else ""
    found.say(f"Server {row['display_name']!r} is {status} ({row['vm_state']}{task}) {place}.")
    if row["deleted"]:
        found.say("It is deleted; its row is kept for who asks for deleted servers.")
    elif mapping["queued_for_delete"]:
        found.say("Its deletion was accepted.")
    if row["locked_by"]:
        reason = f": {row['locked_reason']}" if row["locked_reason"] else ""
        found.say(f"It is locked by its {row['locked_by']}{reason}; only an administrator's requests pass.")


def _host(found: Explanation, host: str, service: dict[str, Any] | None, patience: Patience) -> None:
    if service is None:
        found.facts["host_state"] = "unknown"
        found.say(f"No nova-compute of host {host} is recorded.")
        return
    age = service["age"]
    state = ("forced down" if service["forced_down"] else "up" if age <= patience.lease
             else "silent" if age <= patience.down_after else "down")
    found.facts |= {"host_state": state, "host_heard_seconds_ago": round(age, 1) if service["last_seen"] else None}
    if service["disabled"]:
        found.facts["host_disabled"] = service["disabled_reason"] or True
        found.say(f"Host {host} gets no new servers: {service['disabled_reason'] or 'it is disabled'}.")
    if state == "forced down":
        found.say(f"Host {host} was declared down by an operator.")
    elif not service["last_seen"]:
        found.say(f"Host {host} has signed off.")
    elif state != "up":
        found.say(f"Host {host} does not answer: it was last heard {age:.0f} s ago.")


def _of_host(found: Explanation, api: Database, uuid: str) -> None:
    """What operators or the watch over failing hosts do with its host."""
    host = found.facts.get("host")
    if not host:
        return
    with api.read() as conn:
        fence = host_fences.find(conn).get(host)
        drains = host_drains.find(conn, open_host=host)
        mine = [r for d in drains for r in host_drains.servers_of(conn, d["uuid"]) if r["instance_uuid"] == uuid]
    if fence is not None:
        found.facts["fence"] = {k: fence[k] for k in ("state", "message", "attempts")}
        found.say(f"Host {host} is held to have failed; its fence is {fence['state']}: "
                  f"{fence['message'] or 'nothing is known yet'}")
    for drain in drains:
        found.facts["drain"] = {k: drain[k] for k in ("uuid", "kind", "mode", "parallel")}
        state = f"; this server is {mine[0]['state']} there" if mine else ""
        found.say(f"Host {host} is being emptied (nova-manage host drain-status {drain['uuid']}){state}.")


def _at(database: Database, tables: OperationTables, rows: list[dict[str, Any]],
        above: dict[str, list[dict[str, Any]]]) -> list[_Known]:
    """The operations that matter (all open ones, or the newest that ended) with their events, those of the API
    database first, and the database's time."""
    wanted = [r for r in rows if r["state"] in OPEN_STATES] or [r for r in rows if r["state"] != "moved"][:1]
    with database.read() as conn:
        now = conn.execute(sa.select(db_now())).scalar_one()
        return [(row, above.get(row["uuid"], []) + (
            tables.events_of(conn, row["uuid"]) if tables is cell_operations else []), now) for row in wanted]


def _owners(conn: sa.Connection, services: ServiceTables) -> dict[str, dict[str, Any]]:
    return {s["incarnation"]: s for s in services.list(conn) if s["incarnation"]}


def _operations(found: Explanation, rows: list[_Known],
                owners: dict[str, dict[str, Any]], patience: Patience, computes: dict[str, dict[str, Any]], *,
                api: bool) -> None:
    found.facts.setdefault("operations", [])
    if not any(row["state"] in OPEN_STATES for row, _, _ in rows):
        found.say("It waits for nothing: no operation is under way.")
    for row, events, now in rows:
        found.facts["operations"].append(_facts(row, events, now))
        if row["state"] in OPEN_STATES:
            _waiting(found, row, owners, patience, computes, now, api=api)
        else:
            fault = f": {row['fault']['message']}" if row["fault"] else ""
            found.say(f"The last operation, {row['action']} ({row['uuid']}), is {row['state']} since "
                      f"{now - (row['finished_at'] or now):.0f} s{fault}")
        _tried(found, row, events)


def _facts(row: dict[str, Any], events: list[dict[str, Any]], now: float) -> dict[str, Any]:
    kept = ("uuid", "action", "state", "level", "host", "step", "owner", "attempt", "epoch", "progress", "fault",
            "request_id")
    return {k: row[k] for k in kept} | {
        "age": round(now - row["created_at"], 1), "due_in": None if row["due_at"] is None else row["due_at"] - now,
        "deadline_in": None if row["deadline"] is None else row["deadline"] - now,
        "tried": [{"event": e["event"], "result": e["result"], "host": e["host"], "details": e["details"],
                   "reasons": (e["data"] or {}).get("reasons")} for e in events]}


def _waiting(found: Explanation, row: dict[str, Any], owners: dict[str, dict[str, Any]], patience: Patience,
             computes: dict[str, dict[str, Any]], now: float, *, api: bool) -> None:
    shape = shape_of(row["action"])
    step = next((s for s in shape.steps if s.name == row["step"]), None) if shape else None
    where = f"host {row['host']}" if row["level"] == "host" else "the API level"
    doing = "is being undone" if row["state"] == "undoing" else "is under way"
    found.say(f"Operation {row['action']} ({row['uuid']}), accepted {now - row['created_at']:.0f} s ago, {doing} at "
              f"step {row['step']} on {where}{f': {step.doc}' if step else ''}")
    if row["fault"]:
        found.say(f"It failed before with: {row['fault'].get('message')}")
    silent = row["level"] == "host" and _age(computes.get(row["host"])) > patience.lease
    owner = owners.get(row["owner"]) if row["owner"] else None
    if row["owner"] is None:
        _unowned(found, row, patience, now, silent=silent)
    elif owner is None:
        found.say("Whoever had it in hand is gone, or was started anew; a janitor takes it up at its next look, "
                  f"within {patience.look:g} s.")
    elif _age(owner) <= patience.lease:
        done = f", {row['progress']} %" if row["progress"] else ""
        found.say(f"It is in the hands of {owner['binary']} on {owner['host']}, which was heard "
                  f"{max(0.0, owner['age']):.1f} s ago; attempt {row['attempt']}"
                  f"{done}.")
    elif row["level"] == "host":
        _host_gone(found, row, patience, _age(owner))
    else:
        found.say(f"Its owner, {owner['binary']} on {owner['host']}, has been silent for {_age(owner):.0f} s; any "
                  f"other conductor takes it over at its next look, within {patience.look:g} s.")
    _deadline(found, row, now, api=api)


def _age(service: dict[str, Any] | None) -> float:
    return float("inf") if service is None or service["forced_down"] else float(service["age"])


def _unowned(found: Explanation, row: dict[str, Any], patience: Patience, now: float, *, silent: bool) -> None:
    due = (row["due_at"] or now) - now
    when = f"in {due:.1f} s" if due > 0 else f"since {-due:.1f} s"
    if silent:
        found.say(f"Nobody has it in hand; it is due {when}.")
        _host_gone(found, row, patience, None)
    elif row["level"] == "host":
        found.say(f"Nobody has it in hand; it is due {when}. The host looks for it by itself and is told of it by a "
                  f"janitor every 5 s.")
    else:
        found.say(f"Nobody has it in hand; it is due {when}, and a janitor takes it up within {patience.look:g} s of "
                  "that. If it is due for long, no nova-conductor with role api lives.")


def _host_gone(found: Explanation, row: dict[str, Any], patience: Patience, age: float | None) -> None:
    found.say(f"Host {row['host']} has it and does not answer"
              f"{f' since {age:.0f} s' if age not in (None, float('inf')) else ''}. Only that host may go on with it; "
              "it asks for its work when it starts.")
    if row["action"] == "delete":
        found.say("A delete does not wait: the API level does its part at the janitor's next look, and the guest is "
                  "removed when the host starts.")
    elif row["action"] == "create" and (row["step_data"] or {}).get("alternates"):
        found.say(f"Once the host is shown as down, {patience.down_after:g} s after it was last heard, the build goes "
                  "to the next host that the scheduler had ranked.")


def _deadline(found: Explanation, row: dict[str, Any], now: float, *, api: bool) -> None:
    if row["deadline"] is None:
        return
    rest = row["deadline"] - now
    then = ("it ends in cell0 with an error" if api else "it is given up and the server is in error"
            if row["action"] == "create" else "it fails and the server is in error") if (
        row["level"] == "host" or api) else "nothing: steps of the API level are tried until they work"
    found.say(f"Its deadline is in {rest:.0f} s; then: {then}." if rest > 0
              else f"Its deadline passed {-rest:.0f} s ago: {then}, at the janitor's next look.")


def _tried(found: Explanation, row: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """What failed so far, and what the filters said of each host."""
    data = row["step_data"] or {}
    for event in (e for e in events if e["result"] == "Error"):
        where = f" on host {event['host']}" if event["host"] else ""
        found.say(f"Tried and failed{where}: {event['event']}: {_first_line(event['details'])}")
        for name, refused in ((event["data"] or {}).get("reasons") or {}).items():
            for sentence in _refusals(name, refused):
                found.say(f"  {sentence}")
    if data.get("failed_hosts"):
        found.say(f"Hosts tried so far: {', '.join(data['failed_hosts'])}.")
    for host, reason in sorted((data.get("refused") or {}).items()):
        found.say(f"Host {host} was ranked and refused the claim: {reason}")


def _refusals(name: str, refused: Any) -> list[str]:
    """What one filter said: how many hosts it refused, and why each of the first."""
    if not isinstance(refused, dict):
        return [f"{name}: {refused}"]
    hosts = list((refused.get("hosts") or {}).items())
    told = [f"{name} refused {refused.get('count', len(hosts))} hosts:"]
    return told + [f"  {host}: {reason}" for host, reason in hosts[:10]]


def _first_line(text: str | None) -> str:
    return (text or "no details").strip().splitlines()[0] if (text or "").strip() else "no details"
