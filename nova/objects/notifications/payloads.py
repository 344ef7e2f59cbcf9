# SPDX-License-Identifier: Apache-2.0
"""Payloads that other payloads are made of, or that belong to records of the API level. Times are ISO 8601 words."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from nova.objects.base import Json, NovaObject, register

_RAISED = re.compile(r"^(?:(?P<module>[\w.]+)\.)?(?P<name>\w+)(?::|$)")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)')


def when(seconds: float | None) -> str | None:
    """``2012-10-29T13:42:11Z``."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@register
class ExceptionPayload(NovaObject):
    """Why something failed. ``traceback`` is for administrators, as the topic is."""

    VERSION = "1.1"

    module_name: str
    function_name: str
    exception: str
    exception_message: str
    traceback: str

    @classmethod
    def of(cls, fault: Mapping[str, Any]) -> ExceptionPayload:
        """From an operation's fault; where it was raised is read from the trace, if that was kept."""
        trace = str(fault.get("traceback") or fault.get("details") or "")
        frames = _FRAME.findall(trace)
        module, function = frames[-1] if frames else ("", "")
        last = next((line for line in reversed(trace.splitlines()) if line and not line.startswith(" ")), "")
        raised = _RAISED.match(last) if frames else None
        return cls.new(module_name=_module(module), function_name=function or "unknown",
                       exception=raised["name"] if raised else "NovaError",
                       exception_message=str(fault.get("message") or ""), traceback=trace)


def _module(file: str) -> str:
    path = file.removesuffix(".py").partition("nova/")[2]
    return "nova." + path.replace("/", ".") if path else "unknown"


@register
class FlavorPayload(NovaObject):
    """A flavor, or the copy of one that a server keeps. ``projects`` is None where it does not matter."""

    VERSION = "1.4"

    flavorid: str
    memory_mb: int
    vcpus: int
    root_gb: int
    ephemeral_gb: int
    name: str
    swap: int
    rxtx_factor: float
    vcpu_weight: int = 0
    disabled: bool = False
    is_public: bool
    extra_specs: Json = {}
    projects: Json = None
    description: str | None

    @classmethod
    def of(cls, flavor: Mapping[str, Any], projects: list[str] | None = None) -> FlavorPayload:
        """From a row, or from what a server keeps."""
        return cls.new(projects=projects, disabled=bool(flavor.get("disabled")), **{
            name: flavor.get(name) if name == "description" else flavor[name] for name in (
                "flavorid", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "name", "swap", "rxtx_factor",
                "is_public", "extra_specs", "description")})


@register
class KeypairPayload(NovaObject):
    """The public half of a key pair."""

    user_id: str
    name: str
    fingerprint: str | None
    public_key: str | None
    type: str


@register
class AggregatePayload(NovaObject):
    VERSION = "1.1"

    id: int | None
    uuid: str
    name: str
    hosts: Json = []
    metadata: Json = {}


@register
class ServerGroupPayload(NovaObject):
    VERSION = "1.1"

    uuid: str
    name: str
    user_id: str
    project_id: str
    policies: Json = []
    members: Json = []
    hosts: Json = None
    policy: str | None
    rules: Json = {}

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> ServerGroupPayload:
        rules = {name: str(value) for name, value in (group["rules"] or {}).items()}
        return cls.new(uuid=group["uuid"], name=group["name"], user_id=group["user_id"],
                       project_id=group["project_id"], policies=[group["policy"]], policy=group["policy"],
                       rules=rules, members=list(group.get("members") or []))


@register
class ServiceStatusPayload(NovaObject):
    VERSION = "1.1"

    uuid: str
    host: str
    binary: str
    topic: str | None
    report_count: int = 0
    disabled: bool = False
    disabled_reason: str | None
    availability_zone: str | None
    last_seen_up: str | None
    forced_down: bool = False
    version: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> ServiceStatusPayload:
        return cls.new(last_seen_up=when(row.get("last_seen") or None), **{
            name: row[name] for name in ("uuid", "host", "binary", "topic", "report_count", "disabled",
                                         "disabled_reason", "availability_zone", "forced_down", "version")})


@register
class RequestSpecPayload(NovaObject):
    """What was to be scheduled."""

    VERSION = "1.1"

    instance_uuid: str
    project_id: str | None
    user_id: str | None
    availability_zone: str | None
    flavor: FlavorPayload | None
    image: Json = None
    numa_topology: Json = None
    pci_requests: Json = None
    num_instances: int = 1
    force_hosts: Json = None
    force_nodes: Json = None
    ignore_hosts: Json = None
    instance_group: Json = None
    requested_destination: Json = None
    retry: Json = None
    scheduler_hints: Json = {}
    security_groups: Json = []

    @classmethod
    def wanted(cls, spec: Mapping[str, Any], count: int) -> RequestSpecPayload:
        """From what the scheduler is asked."""
        def listed(value: Any) -> list[Any] | None:
            return [value] if value else None

        group = spec.get("group")
        return cls.new(
            instance_uuid=spec["instance_uuid"], project_id=spec.get("project_id"), user_id=spec.get("user_id"),
            availability_zone=spec.get("availability_zone"), num_instances=count,
            flavor=FlavorPayload.of(spec["flavor"]) if spec.get("flavor") else None,
            image={"properties": dict(spec.get("image_properties") or {})},
            force_hosts=listed(spec.get("force_host")), force_nodes=listed(spec.get("force_node")),
            ignore_hosts=list(spec.get("ignore_hosts") or []) or None,
            instance_group={"uuid": group["uuid"]} if group else None,
            requested_destination=spec.get("requested_destination"),
            scheduler_hints=dict(spec.get("scheduler_hints") or {}))


@register
class ComputeTaskPayload(NovaObject):
    """A step of several hosts' work that failed for good."""

    instance_uuid: str
    request_spec: RequestSpecPayload | None
    state: str | None
    reason: ExceptionPayload
