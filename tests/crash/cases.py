# SPDX-License-Identifier: Apache-2.0
"""The cases, from the workflow tables: every step of create, delete and moves, before and after it, times every
process; of the other operations a sample that a seed draws."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator
from typing import Any

from nova.workflow.operations import CREATE, DELETE, DELETE_UNPLACED, SHAPES
from nova.workflow.shape import Shape, StepShape

#: Who makes or removes a server; played on every database.
LIVES = (CREATE, DELETE, DELETE_UNPLACED)
#: Who moves one; every step is played.
_MOVES = ("resize", "migrate", "evacuate", "confirmResize", "revertResize", "live-migration")
MOVES = tuple(shape for shape in SHAPES if shape.action in _MOVES)
OTHERS = tuple(shape for shape in SHAPES if shape not in LIVES + MOVES)
#: So many of the others' cases are played, drawn by this seed.
SAMPLE, SEED = 40, 20
PROCESSES = ("api", "scheduler", "orchestrator", "conductor", "compute")
#: All of them in one.
STANDALONE = "standalone"
MOMENTS = ("before", "after")
#: Stands for the image's id in bodies.
THE_IMAGE = "the image"
#: Which process runs the steps of a level.
RUNS = {"api": "orchestrator", "host": "compute"}

RESTARTED, TAKEN_OVER, EXPIRED = "restarted", "taken over", "expired"
ACTIVE, ERROR, GONE = "active", "error", "gone"


@dataclasses.dataclass(frozen=True, eq=False)
class Act:
    """What is asked of a server, and the vm state it ends in: an action's body, or another ``method`` on a ``path``
    under the server's own. ``host_down``: its host is said to be down first, and taken back after the case."""

    body: dict[str, Any] | None
    ends: str
    version: str = "2.95"
    method: str = "POST"
    path: str = "/action"
    host_down: bool = False

    @property
    def name(self) -> str:
        return next(iter(self.body)) if self.body else f"{self.method} {self.path}"


@dataclasses.dataclass(frozen=True, eq=False)
class Scenario:
    """How a step is reached, and how its operation ends when nobody dies. ``before``: what brings a new server into the
    state that ``act`` needs; without ``act`` the player knows what to do. ``fails``: the checkpoint of the fake driver,
    or of an errand, at which every host fails meanwhile."""

    name: str
    ends: str
    doc: str
    before: tuple[Act, ...] = ()
    act: Act | None = None
    fails: str = ""


def after(act: Act, doc: str, *before: Act, fails: str = "", ends: str = "") -> Scenario:
    """A server is made, goes through ``before``, and is then asked for ``act``."""
    return Scenario(act.name, ends or act.ends, doc, before, act, fails)


BOOT = Scenario("boot", ACTIVE, "a server is created")
NO_HOST = Scenario("no host", ERROR, "the flavor fits no host")
SECOND_HOST = Scenario("second host", ACTIVE, "the first host fails")
NO_HOST_BUILDS = Scenario("no host builds", ERROR, "every host fails")
REMOVE = Scenario("remove", GONE, "a running server is deleted")
WITHDRAW = Scenario("withdraw", GONE, "a server is deleted before it has a cell")

_STOP, _START = Act({"os-stop": None}, "stopped"), Act({"os-start": None}, ACTIVE)
STOP = after(_STOP, "a running server is stopped")
START = after(_START, "a stopped server is started", _STOP)
REBOOT = after(Act({"reboot": {"type": "HARD"}}, ACTIVE), "a server is restarted hard")
_DELETE = Act(None, "soft-delete", method="DELETE", path="")
SOFT_DELETE = after(_DELETE, "a running server is deleted where deleted ones are kept")
_RESTORE = Act({"restore": None}, ACTIVE)
RESTORE = after(_RESTORE, "a deleted server that was kept is restored", _DELETE)
RESTORE_FAILS = after(_RESTORE, "its host cannot start it", _DELETE, fails="fake.power_on", ends="soft-delete")
_RESIZE, _MIGRATE = Act({"resize": {"flavorRef": "1"}}, "resized"), Act({"migrate": None}, "resized")
RESIZE, MIGRATE = after(_RESIZE, "a running server is resized"), after(_MIGRATE, "a running server changes its host")
RESIZE_FAILS, MIGRATE_FAILS = (after(act, "it cannot be started where it arrives", fails="fake.bring_in", ends=ACTIVE)
                               for act in (_RESIZE, _MIGRATE))
RESIZE_REFUSED, MIGRATE_REFUSED = (after(act, "every host refuses it", fails="fake.expect", ends=ACTIVE)
                                   for act in (_RESIZE, _MIGRATE))
CONFIRM = after(Act({"confirmResize": None}, ACTIVE), "a resized server is kept so", _RESIZE)
REVERT = after(Act({"revertResize": None}, ACTIVE), "a resized server goes back", _RESIZE)
_EVACUATE = Act({"evacuate": {}}, ACTIVE, "2.94", host_down=True)
EVACUATE = after(_EVACUATE, "a server leaves a host that is said to be down")
NO_HOST_TAKES_IT = after(_EVACUATE, "every other host fails to build it", fails="fake.spawn", ends=ERROR)
_LIVE = Act({"os-migrateLive": {"host": None, "block_migration": "auto"}}, ACTIVE)
LIVE = after(_LIVE, "a running server changes its host as it runs")
LIVE_FAILS = after(_LIVE, "it cannot leave its host", fails="fake.migrate")
LIVE_ALONE, LIVE_ONE_BY_ONE = (
    after(_LIVE, f"a host does not {step} when it is asked", fails=f"errand:live-migration.{step}:before")
    for step in ("examine", "arrive"))
LIVE_REFUSED = after(_LIVE, "every host refuses it", fails="fake.prepare_arrival")

_IMAGE = Act({"createImage": {"name": "i"}}, ACTIVE)
_BACKUP = Act({"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}, ACTIVE)
_SHELVE, _OFFLOAD = Act({"shelve": None}, "shelved"), Act({"shelveOffload": None}, "shelved_offloaded")
_UNSHELVE = Act({"unshelve": None}, ACTIVE)
IMAGE, BACKUP = after(_IMAGE, "an image is made of a server"), after(_BACKUP, "a server is backed up", _BACKUP)
SHELVE = after(_SHELVE, "a running server is shelved")
IMAGE_FAILS, BACKUP_FAILS, SHELVE_FAILS = (
    after(act, "its disk cannot be copied", fails="fake.snapshot", ends=ACTIVE) for act in (_IMAGE, _BACKUP, _SHELVE))
IMAGE_LOST, BACKUP_LOST, SHELVE_LOST = (
    after(act, "the copy of its disk cannot be sent", fails="fake.reread", ends=ACTIVE)
    for act in (_IMAGE, _BACKUP, _SHELVE))
OFFLOAD = after(_OFFLOAD, "a shelved server leaves its host", _SHELVE)
UNSHELVE = after(_UNSHELVE, "a server that left its host is brought back", _SHELVE, _OFFLOAD)
UNSHELVE_HERE = after(_UNSHELVE, "a shelved server is started on its host", _SHELVE)
UNSHELVE_FAILS = after(_UNSHELVE, "no host can spawn it", _SHELVE, _OFFLOAD, fails="fake.spawn",
                       ends="shelved_offloaded")

_PAUSE, _SUSPEND = Act({"pause": None}, "paused"), Act({"suspend": None}, "suspended")
PAUSE, SUSPEND = after(_PAUSE, "a running server is paused"), after(_SUSPEND, "a running server is suspended")
UNPAUSE = after(Act({"unpause": None}, ACTIVE), "a paused server goes on", _PAUSE)
RESUME = after(Act({"resume": None}, ACTIVE), "a suspended server goes on", _SUSPEND)
_RESCUE = Act({"rescue": None}, "rescued")
RESCUE = after(_RESCUE, "a running server is rescued")
NO_RESCUE = after(_RESCUE, "no host can rescue", fails="fake.rescue", ends=ACTIVE)
UNRESCUE = after(Act({"unrescue": None}, ACTIVE), "a rescued server goes back", _RESCUE)
PASSWORD = after(Act({"changePassword": {"adminPass": "open sesame"}}, ACTIVE), "a guest's password is set")
CRASH_DUMP = after(Act({"trigger_crash_dump": None}, ACTIVE), "a guest is interrupted")
_ATTACH = Act({"interfaceAttachment": {}}, ACTIVE, path="/os-interface")
ATTACH = after(_ATTACH, "a server gets another interface")
ATTACH_FAILS = after(_ATTACH, "its host cannot plug it in", fails="fake.attach_interface")
DETACH = after(Act(None, ACTIVE, method="DELETE", path="/os-interface/{port}"), "a server's interface is pulled out")
REBUILD = after(Act({"rebuild": {"imageRef": THE_IMAGE}}, ACTIVE), "a running server gets new disks")

#: action.step → scenario. A step that is not here fails the suite.
SCENARIOS = {
    "rescue.image": RESCUE, "rescue.rescue": RESCUE, "unrescue.unrescue": UNRESCUE,
    "pause.pause": PAUSE, "unpause.unpause": UNPAUSE, "suspend.suspend": SUSPEND, "resume.resume": RESUME,
    "changePassword.set_password": PASSWORD, "trigger_crash_dump.interrupt": CRASH_DUMP,
    "attach_interface.allocate": ATTACH, "attach_interface.plug": ATTACH, "detach_interface.unplug": DETACH,
    "detach_interface.forget": DETACH, "detach_interface.release": DETACH,
    "stop.power_off": STOP, "start.power_on": START, "reboot.reboot": REBOOT,
    "create.schedule": BOOT, "create.record": BOOT, "create.dispatch": BOOT, "create.build": BOOT,
    "create.bury": NO_HOST, "create.reschedule": SECOND_HOST, "create.relieve": SECOND_HOST,
    "create.abandon": NO_HOST_BUILDS, "delete.destroy": REMOVE, "delete.release": REMOVE,
    "delete_unplaced.withdraw": WITHDRAW, "soft_delete.set_aside": SOFT_DELETE, "soft_delete.uncharge": SOFT_DELETE,
    "restore.charge": RESTORE, "restore.power_on": RESTORE,
    **{f"resize.{step}": RESIZE for step in ("claim", "prep", "leave", "move", "arrive")},
    **{f"migrate.{step}": MIGRATE for step in ("claim", "prep", "leave", "move", "arrive")},
    "resize.elsewhere": RESIZE_REFUSED, "migrate.elsewhere": MIGRATE_REFUSED,
    **{f"createImage.{step}": IMAGE for step in ("register", "capture", "upload")},
    **{f"createBackup.{step}": BACKUP for step in ("register", "capture", "upload", "rotate")},
    **{f"shelve.{step}": SHELVE for step in ("register", "halt", "capture", "upload", "keep")},
    "shelveOffload.vacate": OFFLOAD, "shelveOffload.leave": OFFLOAD, "unshelve.start": UNSHELVE_HERE,
    **{f"unshelve.{step}": UNSHELVE for step in ("schedule", "spawn", "tidy")},
    "confirmResize.drop": CONFIRM, "confirmResize.settle": CONFIRM,
    **{f"live-migration.{step}": LIVE for step in (
        "choose", "prepare", "migrate", "switch", "land")},
    "live-migration.examine": LIVE_ALONE,
    **{f"live-migration.{step}": LIVE_ONE_BY_ONE for step in ("arrive", "leave", "settle")},
    "live-migration.another": LIVE_REFUSED,
    "revertResize.withdraw": REVERT, "revertResize.back": REVERT, "revertResize.restore": REVERT,
    **{f"rebuild.{step}": REBUILD for step in ("check", "replace", "spawn")},
    "evacuate.claim": EVACUATE, "evacuate.move": EVACUATE, "evacuate.elsewhere": NO_HOST_TAKES_IT,
    "evacuate.fence": EVACUATE, "evacuate.rebuild": EVACUATE, "evacuate.settle": EVACUATE,
}
#: Reached only when a host says nothing for long: stories of the functional suite.
SILENT = frozenset({"live-migration.ask"})
#: Undos of steps behind which only what comes from outside leads back: an operator's cancel, a host's silence.
FROM_OUTSIDE = frozenset({"evacuate.move"})
#: With the two hosts of this cloud these steps can only fail, so nobody passes their end.
FAILING = frozenset({"live-migration.another"})
#: The same for the undo of a step.
UNDOS = {
    "rescue.rescue": NO_RESCUE,
    "attach_interface.allocate": ATTACH_FAILS, "attach_interface.plug": ATTACH_FAILS,
    "create.build": SECOND_HOST, "restore.charge": RESTORE_FAILS,
         "createImage.register": IMAGE_FAILS, "createImage.capture": IMAGE_FAILS, "createImage.upload": IMAGE_LOST,
         "createBackup.register": BACKUP_FAILS, "createBackup.capture": BACKUP_FAILS,
         "createBackup.upload": BACKUP_LOST, "shelve.register": SHELVE_FAILS, "shelve.halt": SHELVE_FAILS,
         "shelve.capture": SHELVE_FAILS, "shelve.upload": SHELVE_LOST,
         "unshelve.schedule": UNSHELVE_FAILS, "unshelve.spawn": UNSHELVE_FAILS,
         **{f"resize.{step}": RESIZE_FAILS for step in ("claim", "leave", "move", "arrive")},
         **{f"live-migration.{step}": LIVE_FAILS for step in ("choose", "prepare", "migrate")},
         **{f"migrate.{step}": MIGRATE_FAILS for step in ("claim", "leave", "move", "arrive")},
         **{f"evacuate.{step}": NO_HOST_TAKES_IT for step in ("claim", "rebuild")}}


@dataclasses.dataclass(frozen=True)
class Case:
    """``victim`` dies at ``kind``:``step`` ``moment``; ``then`` says whether it comes back at once."""

    victim: str
    kind: str
    step: str
    moment: str
    then: str
    level: str
    scenario: Scenario
    place: str | None = None

    @property
    def label(self) -> str:
        return f"{self.kind}:{self.step}:{self.moment}"

    @property
    def name(self) -> str:
        return f"{self.victim} {self.label} {self.then}"

    @property
    def runs_the_step(self) -> bool:
        return self.victim in (STANDALONE, RUNS[self.level])

    @property
    def ends(self) -> str:
        return ERROR if self.then == EXPIRED else self.scenario.ends

    def row(self) -> dict[str, str]:
        """For the table."""
        action, step = self.step.split(".")
        victim = {"source_compute": "source", "dest_compute": "target"}.get(self.place or "", "compute")
        return {"process": victim if self.victim == "compute" and self.runs_the_step else self.victim,
                "operation": action, "step": step if self.kind == "step" else f"undo {step}",
                "moment": self.moment, "then": self.then, "story": self.scenario.doc, "outcome": self.ends}


def points(shape: Shape) -> Iterator[tuple[str, str, StepShape, Scenario]]:
    """(kind, action.step, step, scenario). KeyError for a step that has none."""
    for step in shape.steps:
        name = f"{shape.action}.{step.name}"
        if name in SILENT:
            continue
        yield "step", name, step, SCENARIOS[name]
        if step.undo and name not in FROM_OUTSIDE:
            yield "undo", name, step, UNDOS[name]


def cases(shapes: Iterable[Shape] = LIVES) -> list[Case]:
    """All of daemons, in the order of the workflows."""
    found = []
    for shape in shapes:
        for kind, name, step, scenario in points(shape):
            for moment in MOMENTS[:1] if kind == "step" and name in FAILING else MOMENTS:
                for victim in PROCESSES:
                    found += [Case(victim, kind, name, moment, then, step.level, scenario, step.place)
                              for then in _endings(victim, kind, name, step.level, moment)]
    return found


def moves() -> list[Case]:
    """All of the operations that move a server between hosts."""
    return cases(MOVES)


def others() -> list[Case]:
    """A sample of all other operations: in two of three cases the process dies that runs the step."""
    every = cases(OTHERS)
    mine = [case for case in every if case.runs_the_step]
    rest = [case for case in every if not case.runs_the_step]
    draw = random.Random(SEED)
    chosen = draw.sample(mine, min(len(mine), 2 * SAMPLE // 3)) + draw.sample(rest, min(len(rest), SAMPLE // 3 + 1))
    return [case for case in every if case in chosen]


def standalone_cases() -> list[Case]:
    """The same steps with everything in one process."""
    return [Case(STANDALONE, kind, name, moment, RESTARTED, step.level, scenario, step.place)
            for shape in LIVES for kind, name, step, scenario in points(shape) for moment in MOMENTS]


def all_cases() -> list[Case]:
    """Whatever a full run plays."""
    return cases() + moves() + others() + standalone_cases()


def one_per_step(every: list[Case]) -> list[Case]:
    """Of the cases whose victim runs the step and comes back: one of each step, by turns before and after it."""
    mine = [case for case in every if case.runs_the_step and case.then == RESTARTED]
    steps = list(dict.fromkeys((case.kind, case.step) for case in mine))
    return [case for case in mine if case.moment == MOMENTS[
        0 if case.step in FAILING else steps.index((case.kind, case.step)) % 2]]


def short(every: list[Case], share: int = 8) -> list[Case]:
    """All cases whose victim runs the step, and one in ``share`` of those in which somebody else dies meanwhile."""
    others = [case for case in every if not case.runs_the_step]
    chosen = set(map(id, others[::share]))
    return [case for case in every if case.runs_the_step or id(case) in chosen]


def _endings(victim: str, kind: str, name: str, level: str, moment: str) -> list[str]:
    """What follows the kill. A host's work is only done by others where the protocol says so: a delete goes on without
    the host, a create that it never finishes ends at its deadline."""
    endings = [RESTARTED]
    if victim == RUNS[level] == "orchestrator" or (victim, name) == ("compute", "delete.destroy"):
        endings.append(TAKEN_OVER)
    if (victim, kind, name, moment) == ("compute", "step", "create.build", "before"):
        endings.append(EXPIRED)
    return endings
