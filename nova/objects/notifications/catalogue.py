# SPDX-License-Identifier: Apache-2.0
"""The table of events: their names, when they are sent, by whom, and with which payload. Documentation reads it."""

from __future__ import annotations

import dataclasses

from nova.objects.base import NovaObject
from nova.objects.notifications import payloads, servers

INFO, ERROR = "INFO", "ERROR"


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """``legacy`` is the name in the unversioned format; None: there it is not sent."""

    name: str
    publisher: str
    payload: type[NovaObject]
    when: str
    legacy: str | None = None
    priority: str = INFO


@dataclasses.dataclass(frozen=True, slots=True)
class Spoken:
    """How an operation is called in events. ``errors``: its failure has an event of its own; otherwise a failure is
    told by ``compute.exception``."""

    name: str
    what: str
    legacy: str | None = None
    errors: bool = False


#: Name of the operation → its name in events of servers.
OPERATIONS = {
    "create": Spoken("create", "A host builds a server", "create", errors=True),
    "start": Spoken("power_on", "A server is powered on", "power_on"),
    "stop": Spoken("power_off", "A server is powered off", "power_off"),
    "reboot": Spoken("reboot", "A server is restarted", "reboot", errors=True),
    "rebuild": Spoken("rebuild", "A server gets a new image", "rebuild", errors=True),
    "pause": Spoken("pause", "A server is paused", "pause"),
    "unpause": Spoken("unpause", "A paused server goes on", "unpause"),
    "suspend": Spoken("suspend", "A server is suspended", "suspend"),
    "resume": Spoken("resume", "A suspended server goes on", "resume"),
    "rescue": Spoken("rescue", "A server boots its rescue image", "rescue"),
    "unrescue": Spoken("unrescue", "A rescued server boots its own disk", "unrescue"),
    "shelve": Spoken("shelve", "A server is shelved", "shelve"),
    "shelve_offload": Spoken("shelve_offload", "A shelved server leaves its host", "shelve_offload"),
    "shelveOffload": Spoken("shelve_offload", "A shelved server leaves its host", "shelve_offload"),
    "unshelve": Spoken("unshelve", "A shelved server is brought back", "unshelve"),
    "snapshot": Spoken("snapshot", "An image is made of a server", "snapshot"),
    "createImage": Spoken("snapshot", "An image is made of a server", "snapshot"),
    "resize": Spoken("resize", "A server moves to another flavor", "resize", errors=True),
    "migrate": Spoken("resize", "A server moves to another host", "resize", errors=True),
    "confirm_resize": Spoken("resize_confirm", "A resize is confirmed", "resize.confirm"),
    "confirmResize": Spoken("resize_confirm", "A resize is confirmed", "resize.confirm"),
    "revert_resize": Spoken("resize_revert", "A resize is reverted", "resize.revert"),
    "revertResize": Spoken("resize_revert", "A resize is reverted", "resize.revert"),
    "restore": Spoken("restore", "A soft-deleted server is restored", "restore"),
    "soft_delete": Spoken("soft_delete", "A server is soft-deleted", "soft_delete"),
    "crash_dump": Spoken("trigger_crash_dump", "A crash dump is triggered", "trigger_crash_dump"),
    "trigger_crash_dump": Spoken("trigger_crash_dump", "A crash dump is triggered", "trigger_crash_dump"),
    "attach_interface": Spoken("interface_attach", "An interface is attached", errors=True),
    "detach_interface": Spoken("interface_detach", "An interface is detached"),
    "attach_volume": Spoken("volume_attach", "A volume is attached", "volume.attach", errors=True),
    "detach_volume": Spoken("volume_detach", "A volume is detached", "volume.detach"),
    "swap_volume": Spoken("volume_swap", "A volume is swapped", errors=True),
}
_LEGACY_WITHOUT_PHASE = frozenset({"volume.attach", "volume.detach"})


#: The parts of a live migration that have events of their own, and what they are called in the unversioned format.
LIVE_PARTS = {"pre": "live_migration.pre", "post": "live_migration._post", "post_dest": "live_migration.post.dest",
              "rollback": "live_migration._rollback", "rollback_dest": "live_migration.rollback.dest",
              "abort": "live.migration.abort", "force_complete": "live.migration.force.complete"}
_LIVE_WORDS = {"pre": "The destination of a live migration is prepared", "post": "The guest has left its host",
               "post_dest": "The guest has arrived", "rollback": "A live migration that failed is taken back",
               "rollback_dest": "The destination of a live migration that failed is cleaned",
               "abort": "A live migration is to be aborted",
               "force_complete": "A live migration is to be forced to its end"}


def legacy_name(legacy: str, phase: str) -> str | None:
    """``compute.instance.power_off.end``."""
    if legacy in _LEGACY_WITHOUT_PHASE:
        return f"compute.instance.{legacy}" if phase == "end" else None
    return f"compute.instance.{legacy}.{phase}"


def of_operation(action: str) -> list[Event]:
    """The events of an operation that runs on a host."""
    spoken = OPERATIONS[action]
    payload = servers.InstanceCreatePayload if action == "create" else servers.InstanceActionPayload
    phases = {"start": "the work is handed to the host", "end": "it is done"}
    if spoken.errors:
        phases["error"] = "a host failed at it"
    return [Event(f"instance.{spoken.name}.{phase}", "nova-compute", payload, f"{spoken.what}: {words}.",
                  legacy_name(spoken.legacy, phase) if spoken.legacy else None, ERROR if phase == "error" else INFO)
            for phase, words in phases.items()]


_ACTION = servers.InstanceActionPayload
#: Events of servers that are not a phase of an operation on a host.
SERVERS = (
    Event("instance.delete.start", "nova-compute", _ACTION, "A delete was accepted; the host removes the guest.",
          "compute.instance.delete.start"),
    Event("instance.delete.end", "nova-compute", _ACTION, "Nothing of the server is left.",
          "compute.instance.delete.end"),
    Event("instance.delete.start_compute_down", "nova-api", _ACTION,
          "A delete was accepted while the host does not answer.", "compute.instance.delete.start"),
    Event("instance.delete.end_compute_down", "nova-conductor", _ACTION,
          "All but the guest on the silent host is gone; the host removes it when it is back.",
          "compute.instance.delete.end"),
    Event("instance.delete.start_not_scheduled", "nova-api", _ACTION,
          "A delete was accepted for a server without a host.", "compute.instance.delete.start"),
    Event("instance.delete.end_not_scheduled", "nova-conductor", _ACTION, "A server without a host is gone.",
          "compute.instance.delete.end"),
    Event("instance.shutdown.start", "nova-compute", _ACTION, "The guest of a server that is deleted is removed.",
          "compute.instance.shutdown.start"),
    Event("instance.shutdown.end", "nova-compute", _ACTION, "The guest, its disks and its network are gone.",
          "compute.instance.shutdown.end"),
    Event("instance.resize_prep.start", "nova-compute", _ACTION, "A host was chosen for a resize or migration.",
          "compute.instance.resize.prep.start"),
    Event("instance.resize_prep.end", "nova-compute", _ACTION, "That host takes the server; it leaves the former one.",
          "compute.instance.resize.prep.end"),
    Event("instance.resize_finish.start", "nova-compute", _ACTION, "The disks of a server come to its new host.",
          "compute.instance.finish_resize.start"),
    Event("instance.resize_finish.end", "nova-compute", _ACTION, "The server is there, to be confirmed or reverted.",
          "compute.instance.finish_resize.end"),
    *(Event(f"instance.live_migration_{part}.{end}", "nova-compute", _ACTION, f"{words}: {end}.",
            f"compute.instance.{LIVE_PARTS[part]}.{end}")
      for part, words in _LIVE_WORDS.items() for end in ("start", "end")),
    Event("instance.lock", "nova-api", _ACTION, "A server was locked."),
    Event("instance.unlock", "nova-api", _ACTION, "A server was unlocked."),
    Event("instance.update", "the service that changed it", servers.InstanceUpdatePayload,
          "A server's tags changed or, with notify_on_state_change, its states or its record.",
          "compute.instance.update"),
    Event("instance.exists", "nova-compute", servers.InstanceExistsPayload,
          "With instance_usage_audit, once per period for each server that was on a host in it.",
          "compute.instance.exists"),
    Event("compute.exception", "nova-compute", payloads.ExceptionPayload,
          "A host failed at an operation that has no error event of its own.", None, ERROR),
    Event("compute_task.build_instances.error", "nova-conductor", payloads.ComputeTaskPayload,
          "No host could be found for a server, or all that were tried failed.", "compute_task.build_instances",
          ERROR),
)


def _pair(noun: str, verb: str, payload: type[NovaObject], what: str, legacy: str) -> tuple[Event, Event]:
    return (Event(f"{noun}.{verb}.start", "nova-api", payload, f"{what}: asked for and allowed.", f"{legacy}.start"),
            Event(f"{noun}.{verb}.end", "nova-api", payload, f"{what}: done.", f"{legacy}.end"))


_AGGREGATE, _KEY = payloads.AggregatePayload, payloads.KeypairPayload
#: Events of records of the API level.
RECORDS = (
    Event("flavor.create", "nova-api", payloads.FlavorPayload, "A flavor was made."),
    Event("flavor.update", "nova-api", payloads.FlavorPayload,
          "Its description, extra specs or the projects that may use it changed."),
    Event("flavor.delete", "nova-api", payloads.FlavorPayload, "A flavor was deleted."),
    *_pair("keypair", "create", _KEY, "A key pair is made", "keypair.create"),
    *_pair("keypair", "import", _KEY, "A public key is imported", "keypair.import"),
    *_pair("keypair", "delete", _KEY, "A key pair is deleted", "keypair.delete"),
    *_pair("aggregate", "create", _AGGREGATE, "An aggregate is made", "aggregate.create"),
    *_pair("aggregate", "delete", _AGGREGATE, "An aggregate is deleted", "aggregate.delete"),
    *_pair("aggregate", "add_host", _AGGREGATE, "A host joins an aggregate", "aggregate.addhost"),
    *_pair("aggregate", "remove_host", _AGGREGATE, "A host leaves an aggregate", "aggregate.removehost"),
    *_pair("aggregate", "update_prop", _AGGREGATE, "An aggregate is renamed", "aggregate.updateprop"),
    *_pair("aggregate", "update_metadata", _AGGREGATE, "An aggregate's metadata change", "aggregate.updatemetadata"),
    Event("server_group.create", "nova-api", payloads.ServerGroupPayload, "A server group was made.",
          "servergroup.create"),
    Event("server_group.delete", "nova-api", payloads.ServerGroupPayload, "A server group was deleted.",
          "servergroup.delete"),
    Event("server_group.add_member", "nova-api", payloads.ServerGroupPayload, "A server was created in a group.",
          "servergroup.addmember"),
    Event("scheduler.select_destinations.start", "nova-scheduler", payloads.RequestSpecPayload,
          "Hosts are looked for: for num_instances servers, the first of which is told of.",
          "scheduler.select_destinations.start"),
    Event("scheduler.select_destinations.end", "nova-scheduler", payloads.RequestSpecPayload,
          "The scheduler has answered.", "scheduler.select_destinations.end"),
    Event("service.create", "nova-conductor", payloads.ServiceStatusPayload,
          "A service registered for the first time."),
    Event("service.update", "nova-api", payloads.ServiceStatusPayload,
          "A service was enabled, disabled or forced down."),
    Event("service.delete", "nova-api", payloads.ServiceStatusPayload, "A service was removed."),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """An event that is there in the unversioned format only. ``members`` are those of its payload, where it is not
    what every event of a server tells."""

    name: str
    publisher: str
    when: str
    members: tuple[str, ...] = ()


_LED = ("project_id", "floating_ip", "instance_id")
#: Events of addresses.
PLAIN = (
    *(Plain(f"compute.instance.{verb}_ip.{end}", "nova-api", f"{words}: {end}.") for verb, words in (
        ("create", "A server gets one more fixed address"), ("delete", "A server loses a fixed address"))
      for end in ("start", "end")),
    Plain("network.floating_ip.allocate", "nova-api", "A project got a floating address.", _LED[:2]),
    Plain("network.floating_ip.associate", "nova-api", "It leads to a server.", _LED),
    Plain("network.floating_ip.disassociate", "nova-api", "It leads to that server no more.", _LED),
    Plain("network.floating_ip.deallocate", "nova-api", "The project gave it back.", _LED[:2]),
)


def events(actions: list[str]) -> list[Event]:
    """All events of a release whose operations on hosts are ``actions``, by name."""
    found = {e.name: e for e in (*SERVERS, *RECORDS)}
    for action in actions:
        if action in OPERATIONS:
            found |= {e.name: e for e in of_operation(action)}
    return [found[name] for name in sorted(found)]
