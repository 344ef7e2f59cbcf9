# SPDX-License-Identifier: Apache-2.0
"""The one way in for fronts: every operation by name, over the same collaborators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from nova import errors
from nova.context import RequestContext
from nova.operations import copies, deferred, details, interfaces, live_migration, questions, refusals
from nova.operations import create as creation
from nova.operations import delete as deletion
from nova.operations import evacuate as evacuation
from nova.operations import rebuild as rebuilding
from nova.operations import rescue as rescuing
from nova.operations import resize as moving
from nova.operations.acceptance import Deps, Tell, accept_on_host, host_is_down, located
from nova.workflow.operations import (
    CHANGE_PASSWORD,
    PAUSE,
    REBOOT,
    RESUME,
    START,
    STOP,
    SUSPEND,
    TRIGGER_CRASH_DUMP,
    UNPAUSE,
)


class Operations:
    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    # -- life ----------------------------------------------------------------------------------------------------------

    def create(self, context: RequestContext, request: creation.CreateRequest,
               accepting: creation.Accepting = lambda created: None) -> creation.Created:
        """``accepting`` is told what is made, within the transaction that makes it."""
        return creation.create(self.deps, context, request, accepting)

    def explain(self, context: RequestContext, request: creation.CreateRequest) -> dict[str, Any]:
        """What a create would find now; nothing is changed. See :meth:`nova.clients.scheduler.SchedulerClient.explain`;
        ``over_quota`` is added, the refusal in words or None."""
        return creation.explain(self.deps, context, request)

    def delete(self, context: RequestContext, uuid: str) -> None:
        """At once, or softly where deleted servers are kept."""
        if not (self.deps.reclaim and deferred.soft_delete(self.deps, context, uuid)):
            deletion.delete(self.deps, context, uuid)

    def force_delete(self, context: RequestContext, uuid: str) -> None:
        deletion.delete(self.deps, context, uuid)

    def restore(self, context: RequestContext, uuid: str) -> None:
        deferred.restore(self.deps, context, uuid)

    # -- power ---------------------------------------------------------------------------------------------------------

    def start(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, START, "start", "start", {})

    def stop(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, STOP, "stop", "stop", {})

    def reboot(self, context: RequestContext, uuid: str, kind: Literal["SOFT", "HARD"]) -> None:
        transition = "reboot_soft" if kind == "SOFT" else "reboot_hard"
        accept_on_host(self.deps, context, uuid, REBOOT, transition, "reboot", {"type": kind})

    def pause(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, PAUSE, "pause", "pause", {}, unable=errors.NotSupported)

    def unpause(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, UNPAUSE, "unpause", "unpause", {}, unable=errors.NotSupported)

    def suspend(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, SUSPEND, "suspend", "suspend", {})

    def resume(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, RESUME, "resume", "resume", {})

    # -- size and host -------------------------------------------------------------------------------------------------

    def resize(self, context: RequestContext, uuid: str, flavor: dict[str, Any]) -> None:
        """``flavor`` as in a create."""
        moving.resize(self.deps, context, uuid, flavor)

    def migrate(self, context: RequestContext, uuid: str, host: str | None = None) -> None:
        """A cold migration, to a host that is named or that the scheduler chooses."""
        moving.migrate(self.deps, context, uuid, host)

    def confirm_resize(self, context: RequestContext, uuid: str) -> None:
        moving.confirm(self.deps, context, uuid)

    def revert_resize(self, context: RequestContext, uuid: str) -> None:
        moving.revert(self.deps, context, uuid)

    # -- moving while running ------------------------------------------------------------------------------------------

    def live_migrate(self, context: RequestContext, uuid: str, host: str | None = None, *,
                     block_migration: bool | None = None, disk_over_commit: bool = False, force: bool = False,
                     checked: bool = False) -> dict[str, Any]:
        """The operation's row. ``checked``: what is known to be wrong is Invalid now, not a failure later."""
        wanted = live_migration.Wanted(host, block_migration, disk_over_commit, force, checked)
        return live_migration.live_migrate(self.deps, context, uuid, wanted)

    def signal_live_migration(self, context: RequestContext, uuid: str, number: int, kind: str,
                              allowed: frozenset[str]) -> None:
        """``kind`` is abort or force_complete; ``allowed`` are the statuses in which it may be said."""
        live_migration.signal(self.deps, context, uuid, number, kind, allowed)

    def rescue(self, context: RequestContext, uuid: str, image: str | None = None, password: str | None = None) -> None:
        """Boot from ``image`` for a while, by default from the server's own."""
        rescuing.rescue(self.deps, context, uuid, image, password)

    def unrescue(self, context: RequestContext, uuid: str) -> None:
        rescuing.unrescue(self.deps, context, uuid)

    # -- images --------------------------------------------------------------------------------------------------------

    def create_image(self, context: RequestContext, uuid: str, name: str, metadata: dict[str, str],
                     tell: copies.Tell = lambda image: None) -> str:
        """Returns the image's id; ``tell`` is called with it in the transaction that accepts it."""
        return copies.snapshot(self.deps, context, uuid, name, metadata, tell)

    def create_backup(self, context: RequestContext, uuid: str, name: str, backup_type: str, rotation: int,
                      metadata: dict[str, str], tell: copies.Tell = lambda image: None) -> str:
        """As :meth:`create_image`."""
        return copies.backup(self.deps, context, uuid, name, backup_type, rotation, metadata, tell)

    def shelve(self, context: RequestContext, uuid: str) -> None:
        copies.shelve(self.deps, context, uuid)

    def shelve_offload(self, context: RequestContext, uuid: str) -> None:
        copies.shelve_offload(self.deps, context, uuid)

    def unshelve(self, context: RequestContext, uuid: str, *, zone: str | None = copies.UNCHANGED,
                 host: str | None = None, zone_of_host: str | None = None) -> None:
        copies.unshelve(self.deps, context, uuid, zone=zone, host=host, zone_of_host=zone_of_host)

    # -- inside the guest ----------------------------------------------------------------------------------------------

    def change_password(self, context: RequestContext, uuid: str, password: str) -> None:
        accept_on_host(self.deps, context, uuid, CHANGE_PASSWORD, "change_password", "changePassword", {},
                       unable=errors.NotSupported, secrets={"admin_pass": password})

    def trigger_crash_dump(self, context: RequestContext, uuid: str) -> None:
        accept_on_host(self.deps, context, uuid, TRIGGER_CRASH_DUMP, "crash_dump", "trigger_crash_dump", {},
                       unable=errors.Invalid)

    def rebuild(self, context: RequestContext, uuid: str, request: rebuilding.RebuildRequest) -> None:
        rebuilding.rebuild(self.deps, context, uuid, request)

    def evacuate(self, context: RequestContext, uuid: str, host: str | None = None, *, force: bool = False,
                 stopped: bool = False, password: str | None = None, unheard: bool = False) -> dict[str, Any]:
        return evacuation.evacuate(self.deps, context, uuid, host, force=force, stopped=stopped, password=password,
                                   unheard=unheard)

    # -- interfaces ----------------------------------------------------------------------------------------------------
    def attach_interface(self, context: RequestContext, uuid: str, *, network: str | None = None,
                         port: str | None = None, fixed_ip: str | None = None,
                         tag: str | None = None, tell: Tell = lambda row: None) -> dict[str, Any]:
        """The operation, accepted; ``tell`` is called with it in the transaction. Without network and port the
        project's first network is meant."""
        return interfaces.attach(self.deps, context, uuid, network=network, port=port, fixed_ip=fixed_ip, tag=tag,
                                 tell=tell)
    def detach_interface(self, context: RequestContext, uuid: str, port: str) -> dict[str, Any]:
        return interfaces.detach(self.deps, context, uuid, port)
    def outcome(self, context: RequestContext, uuid: str, operation: str, patience: float) -> dict[str, Any]:
        """An accepted operation once it has ended, or as it is after ``patience`` seconds."""
        return interfaces.outcome(self.deps, context, uuid, operation, patience)
    def withdraw(self, context: RequestContext, uuid: str, operation: dict[str, Any]) -> bool:
        """Take back an accepted operation that nobody has begun; False when somebody has."""
        return interfaces.withdraw(self.deps, context, uuid, operation)
    # -- record --------------------------------------------------------------------------------------------------------

    def update(self, context: RequestContext, uuid: str, values: dict[str, Any]) -> dict[str, Any]:
        return details.update(self.deps, context, uuid, values)

    def replace_metadata(self, context: RequestContext, uuid: str, metadata: dict[str, str]) -> dict[str, str]:
        return details.change_metadata(self.deps, context, uuid, lambda before: dict(metadata))

    def merge_metadata(self, context: RequestContext, uuid: str, metadata: dict[str, str],
                       accepting: Callable[[dict[str, str]], Any] = lambda merged: None) -> dict[str, str]:
        """``accepting`` is told the outcome, within the transaction that stores it."""
        def merge(before: dict[str, str]) -> dict[str, str]:
            merged = before | metadata
            accepting(merged)
            return merged

        return details.change_metadata(self.deps, context, uuid, merge)

    def delete_metadata(self, context: RequestContext, uuid: str, key: str) -> None:
        def without(before: dict[str, str]) -> dict[str, str]:
            if key not in before:
                raise errors.NotFound("Metadata item was not found")
            return {k: v for k, v in before.items() if k != key}

        details.change_metadata(self.deps, context, uuid, without)

    def change_tags(self, context: RequestContext, uuid: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        return details.change_tags(self.deps, context, uuid, change)

    def refresh_network(self, context: RequestContext, uuid: str) -> None:
        details.refresh_network(self.deps, context, uuid)

    def forget_system_metadata(self, context: RequestContext, uuid: str, key: str) -> None:
        details.forget_system_metadata(self.deps, context, uuid, key)

    def keep_volume(self, context: RequestContext, uuid: str, device_uuid: str, *, keep: bool) -> None:
        details.keep_volume(self.deps, context, uuid, device_uuid, keep=keep)

    def lock(self, context: RequestContext, uuid: str, reason: str | None = None) -> None:
        details.lock(self.deps, context, uuid, reason)

    def unlock(self, context: RequestContext, uuid: str, *, may_override: bool) -> None:
        details.unlock(self.deps, context, uuid, may_override=may_override)

    def reset_state(self, context: RequestContext, uuid: str, vm_state: str) -> None:
        details.reset_state(self.deps, context, uuid, vm_state)

    # -- what no host of ours can do -----------------------------------------------------------------------------------

    def refuse(self, context: RequestContext, uuid: str, what: str, first: Callable[[], Any] = lambda: None) -> None:
        """Check whether the caller may do ``what`` now, and the rest of the request with ``first``; then refuse it."""
        refusals.refuse(self.deps, context, uuid, what, first)

    def check_state(self, context: RequestContext, uuid: str, transition: str, name: str) -> dict[str, Any]:
        """The server's row. Conflict when its lock or state does not allow the transition."""
        return refusals.check(self.deps, context, uuid, transition, name)

    def host_is_down(self, context: RequestContext, uuid: str) -> bool:
        """Whether the host of a server has been silent for too long, or was said to be down."""
        cell, row = located(self.deps, context, uuid)
        with cell.database.read() as conn:
            return not row["host"] or host_is_down(conn, row["host"], self.deps.lease)

    # -- questions to hosts --------------------------------------------------------------------------------------------

    def console_output(self, context: RequestContext, uuid: str, length: int | None = None) -> str:
        """The end of the guest's serial console log; Conflict while the server has no host."""
        return questions.console_output(self.deps, context, uuid, length)

    def diagnostics(self, context: RequestContext, uuid: str, *, common: bool) -> dict[str, Any]:
        """The counters of a guest: in the form that all drivers share, or in the flat one of old."""
        return questions.diagnostics(self.deps, context, uuid, common=common)

    def inject_network_info(self, context: RequestContext, uuid: str) -> None:
        """Write into the guest which cards and addresses its server has; Conflict when its host cannot."""
        questions.inject_network_info(self.deps, context, uuid)
