# SPDX-License-Identifier: Apache-2.0
"""What an operator may do in the simulation while users press their buttons: take operations in hand, empty hosts."""

from __future__ import annotations

from nova import concurrency, errors
from nova.conductor import intervene
from nova.db.api import cells as mappings
from nova.db.cell.tables import services
from nova.operations import drains
from nova.store.operation_search import Found, OperationSearch, Wanted
from tests.simulation.buttons import Button, Press

#: Seconds after which a host that is being emptied is wanted back at the latest.
_PATIENCE = 40.0


def _under_way(press: Press) -> Found:
    deps = press.operations.deps
    found = OperationSearch(deps.api, deps.cells).find(Wanted(server=press.uuid))
    if not found:
        raise errors.Conflict("Nothing is under way.")
    return press.rng.choice(found)


def retry(press: Press) -> None:
    deps = press.operations.deps
    intervene.retry(deps.api, _under_way(press), lease=deps.lease)


def cancel(press: Press) -> None:
    intervene.cancel(press.operations.deps.api, _under_way(press), by="an operator")


def drain(press: Press) -> None:
    """Any host is emptied in any way; after a while it is called off, if that has not ended, and the host is back."""
    deps, rng = press.operations.deps, press.rng
    with deps.api.read() as conn:
        known = sorted(mappings.list_hosts(conn), key=lambda row: str(row["host"]))
    chosen = rng.choice(known)
    made = drains.accept(deps.api, press.admin, drains.Wanted(
        chosen["host"], mode=rng.choice(drains.MODES), parallel=rng.choice([1, 10]),
        confirm_resizes=rng.random() < 0.5))
    patience = rng.uniform(0.0, _PATIENCE)

    def take_back() -> None:
        concurrency.sleep(patience)
        try:
            drains.cancel(deps.api, made["uuid"])
        except errors.Conflict:
            assert drains.show(deps.api, made["uuid"])["state"] != "open"
        cell = deps.cells.get(chosen["cell_uuid"])
        with cell.database.write() as conn:
            for row in services.list(conn, host=chosen["host"], binary="nova-compute"):
                services.update(conn, row["uuid"], disabled=False)

    concurrency.spawn(take_back, name="take-back")


OPERATOR: dict[str, Button] = {"retry": retry, "cancel": cancel, "drain": drain}
