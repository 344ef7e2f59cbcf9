# SPDX-License-Identifier: Apache-2.0
"""What a user may do to a server in the simulation: a table of buttons that stories press at random.

A button that the server's state does not allow is refused, and that is fine: most presses are. Whoever adds an
operation adds its button here.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.cell.tables import services
from nova.operations import Operations, deferred
from nova.operations.rebuild import RebuildRequest
from tests.functional.cloud import FLAVOR, IMAGE
from tests.simulation.chaos import Chaos


@dataclasses.dataclass(frozen=True)
class Press:
    """A finger on a server's button: ``context`` is its owner's, ``admin`` an administrator's."""

    operations: Operations
    context: RequestContext
    admin: RequestContext
    uuid: str
    rng: random.Random


Button = Callable[[Press], object]

POWER: dict[str, Button] = {
    "start": lambda p: p.operations.start(p.context, p.uuid),
    "stop": lambda p: p.operations.stop(p.context, p.uuid),
    "reboot softly": lambda p: p.operations.reboot(p.context, p.uuid, "SOFT"),
    "reboot hard": lambda p: p.operations.reboot(p.context, p.uuid, "HARD"),
}

STILL: dict[str, Button] = {
    "pause": lambda p: p.operations.pause(p.context, p.uuid),
    "unpause": lambda p: p.operations.unpause(p.context, p.uuid),
    "suspend": lambda p: p.operations.suspend(p.context, p.uuid),
    "resume": lambda p: p.operations.resume(p.context, p.uuid),
}

DEFERRED: dict[str, Button] = {
    "delete softly": lambda p: deferred.soft_delete(p.operations.deps, p.context, p.uuid),
    "restore": lambda p: p.operations.restore(p.context, p.uuid),
}

INSIDE: dict[str, Button] = {
    "change password": lambda p: p.operations.change_password(p.context, p.uuid, "secret"),
    "crash dump": lambda p: p.operations.trigger_crash_dump(p.context, p.uuid),
}

KEPT: dict[str, Button] = {
    "create image": lambda p: p.operations.create_image(p.context, p.uuid, "image", {}),
    "back up": lambda p: p.operations.create_backup(p.context, p.uuid, "backup", "daily", p.rng.randrange(3), {}),
    "shelve": lambda p: p.operations.shelve(p.context, p.uuid),
    "offload": lambda p: p.operations.shelve_offload(p.admin, p.uuid),
    "unshelve": lambda p: p.operations.unshelve(p.context, p.uuid),
    "unshelve here": lambda p: p.operations.unshelve(p.context, p.uuid),
}

_OTHER = FLAVOR | {"flavorid": "2", "vcpus": 2, "memory_mb": 1024, "root_gb": 2}


def _another_flavor(press: Press) -> dict[str, Any]:
    has = press.operations.deps.servers.show(press.context, press.uuid)["flavorid"]
    return _OTHER if has == FLAVOR["flavorid"] else FLAVOR


MOVES: dict[str, Button] = {
    "resize": lambda p: p.operations.resize(p.context, p.uuid, _another_flavor(p)),
    "migrate": lambda p: p.operations.migrate(p.admin, p.uuid),
    "live migrate": lambda p: p.operations.live_migrate(p.admin, p.uuid),
    "confirm": lambda p: p.operations.confirm_resize(p.context, p.uuid),
    "revert": lambda p: p.operations.revert_resize(p.context, p.uuid),
}



def evacuate(press: Press) -> None:
    """An operator says that the host is down, whether that is so or not, and takes it back after a while."""
    cell, server = press.operations.deps.servers.locate(press.admin, press.uuid)
    if cell is None or not server["host"]:
        raise errors.Conflict("There is no host to leave.")
    database, host = cell.database, server["host"]

    def say(down: bool) -> None:
        with database.write() as conn:
            uuid = next(row["uuid"] for row in services.list(conn, host=host, binary="nova-compute"))
            services.update(conn, uuid, forced_down=down)

    def take_back() -> None:
        concurrency.sleep(20.0)
        say(False)

    say(True)
    concurrency.spawn(take_back, name="take-back")
    press.operations.evacuate(press.admin, press.uuid)


REBUILDS: dict[str, Button] = {
    "evacuate": evacuate,
    "rebuild": lambda p: p.operations.rebuild(p.context, p.uuid, RebuildRequest(IMAGE)),
}

RESCUES: dict[str, Button] = {
    "rescue": lambda p: p.operations.rescue(p.context, p.uuid),
    "unrescue": lambda p: p.operations.unrescue(p.context, p.uuid),
}

INTERFACES: dict[str, Button] = {
    "attach interface": lambda p: p.operations.attach_interface(p.context, p.uuid),
    "detach interface": lambda p: _detach(p),
}


def _detach(press: Press) -> object:
    vifs = press.operations.deps.servers.show(press.context, press.uuid)["network_info"]
    return press.operations.detach_interface(press.context, press.uuid, vifs[-1]["id"]) if vifs else None


#: Every operation that leaves the server there; a name for each.
BUTTONS: dict[str, Button] = {
    **INTERFACES,
    **POWER,
    **STILL,
    **DEFERRED,
    **INSIDE,
    **KEPT,
    **MOVES,
    **REBUILDS,
    **RESCUES,
}

#: What brings a new server into the state that a button needs.
FIRST: dict[str, tuple[str, ...]] = {
    "confirm": ("migrate",), "revert": ("migrate",), "start": ("stop",), "unpause": ("pause",), "resume": ("suspend",),
    "offload": ("shelve",), "unshelve": ("shelve", "offload"), "unshelve here": ("shelve",),
    "restore": ("delete softly",), "unrescue": ("rescue",),
}


def press(chaos: Chaos, uuid: str, buttons: dict[str, Button] | None = None) -> str | None:
    """One of the buttons, drawn by the seed; its name if the press was accepted."""
    table = BUTTONS if buttons is None else buttons
    rng, cloud = chaos.sim.rng, chaos.cloud
    name = rng.choice(sorted(table))
    try:
        table[name](Press(cloud.operations, cloud.context(), cloud.context(admin=True), uuid, rng))
    except (errors.Conflict, errors.NotFound, errors.Invalid, errors.NotSupported, errors.NoValidHost):
        return None
    return name
