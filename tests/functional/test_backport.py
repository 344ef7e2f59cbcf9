# SPDX-License-Identifier: Apache-2.0
"""A host of an older release has newer objects translated by its conductor."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova import errors
from nova.clients.objects import ObjectsClient
from nova.objects.base import versions_of
from nova.objects.service import Service
from tests.functional.cloud import memory_cloud


def test_the_conductor_translates(tmp_path: Path) -> None:
    cloud = memory_cloud(tmp_path, hosts_count=0)
    cloud.start()
    try:
        client = ObjectsClient(cloud.make_bus("cell1", "host1", "nova-compute"))
        plain = Service.new(uuid="u", host="h", binary="nova-compute", topic="compute").obj_to_primitive()
        assert client.backport(plain, versions_of("Service")) == plain
        with pytest.raises(errors.Invalid):
            client.backport(plain, {"Other": "1.0"})
    finally:
        cloud.stop()
