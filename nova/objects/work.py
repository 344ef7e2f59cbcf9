# SPDX-License-Identifier: Apache-2.0
"""Everything a host needs to run one operation, in one answer."""

from __future__ import annotations

from nova.objects.base import Json, NovaObject, register
from nova.objects.instance import Instance
from nova.objects.operation import Operation


@register
class Work(NovaObject):
    """``image``: None or {id, disk_format, container_format, size, hash_algo, hash, url, properties, min_disk,
    min_ram}; the url is signed and short-lived. ``secrets``: passwords and files; None when there are none or they
    were wiped."""

    operation: Operation
    instance: Instance
    image: Json
    secrets: Json
