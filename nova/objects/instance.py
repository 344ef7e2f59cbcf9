# SPDX-License-Identifier: Apache-2.0
"""A server as its host and its cell know it ("instance" in tables and objects, "server" on the wire)."""

from __future__ import annotations

from typing import Self

from nova.context import RequestContext
from nova.objects.base import Json, NovaObject, register, remotable


@register
class Instance(NovaObject):
    """``flavor`` is the flavor as it was at the create or resize; ``network_info`` is a document complete enough to
    build from; ``block_devices`` are the local disks that the create named;
    ``epoch`` is raised by whoever takes over the server's operation."""

    uuid: str
    project_id: str
    user_id: str
    name: str | None
    display_name: str
    display_description: str | None
    hostname: str | None
    reservation_id: str | None
    launch_index: int = 0

    host: str | None
    node: str | None
    compute_uuid: str | None
    availability_zone: str | None
    server_group: str | None

    vm_state: str
    task_state: str | None
    power_state: int = 0
    progress: int = 0
    epoch: int = 0
    op_seq: int = 0
    locked_by: str | None
    locked_reason: str | None

    image_ref: str | None
    image_properties: Json = {}
    kernel_id: str | None
    ramdisk_id: str | None
    flavor: Json = {}
    flavorid: str | None
    vcpus: int
    memory_mb: int
    root_gb: int
    ephemeral_gb: int = 0

    key_name: str | None
    key_data: str | None
    user_data: str | None
    config_drive: str | None
    metadata: Json = {}
    system_metadata: Json = {}
    tags: list[str] = []
    trusted_certs: Json
    security_groups: list[str] = []
    network_info: Json = []
    block_devices: Json = []
    root_device_name: str | None
    access_ip_v4: str | None
    access_ip_v6: str | None
    auto_disk_config: bool = False

    created_at: float | None
    updated_at: float | None
    launched_at: float | None
    terminated_at: float | None
    deleted: bool = False
    deleted_at: float | None

    @property
    def locked(self) -> bool:
        return self.locked_by is not None

    @classmethod
    def get(cls, context: RequestContext, uuid: str) -> Instance:
        return cls(context).store.instance_get(uuid)

    @classmethod
    def on_host(cls, context: RequestContext, host: str) -> list[Instance]:
        return cls(context).store.instances_on_host(host)

    @remotable
    def save(self, epoch: int | None = None) -> None:
        """Write what was changed since it was read, no more. Raises Stale if ``epoch`` is no longer the row's."""
        changes = self.obj_get_changes()
        if changes:
            self.take(self.store.instance_save(self.uuid, changes, epoch))

    @remotable
    def refresh(self) -> Self:
        """Read it anew; changes not saved are lost."""
        self.take(self.store.instance_get(self.uuid))
        return self
