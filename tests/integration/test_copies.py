# SPDX-License-Identifier: Apache-2.0
"""Real guests kept as images: a snapshot of one that runs boots, and a shelved one comes back with its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients import PATIENCE, eventually
from tests.integration.network.machines import inside
from tests.integration.site import Site
from tests.integration.test_guest import Standalone

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def cloud(site: Site, guest_image: Path) -> Iterator[Standalone]:
    with inside(site.machine):
        cloud = Standalone(site, guest_image)
        yield cloud
        cloud.run("down")


def test_a_snapshot_boots_and_a_shelved_server_comes_back(cloud: Standalone) -> None:
    compute, images = cloud.demo.compute, cloud.demo.image
    server = cloud.boot("original")
    compute.create_server_image(server, "golden", wait=True, timeout=PATIENCE)
    image = images.find_image("golden")
    assert (image.status, image.disk_format, image.visibility) == ("active", "qcow2", "private")
    assert image.instance_uuid == server.id
    assert compute.get_server(server).status == "ACTIVE"

    flavor = compute.find_flavor("m1.nano")
    copy = compute.create_server(name="copy", image_id=image.id, flavor_id=flavor.id, networks="auto")
    copy = compute.wait_for_server(copy, wait=PATIENCE)
    cloud.wait_boots(copy, 1)
    cloud.delete(copy)

    compute.shelve_server(server)
    cloud.wait(server, "SHELVED_OFFLOADED")
    eventually(lambda: cloud.site.domains() == {}, "its guest has left")
    assert images.find_image("original-shelved").status == "active"
    compute.unshelve_server(server)
    cloud.wait(server, "ACTIVE")
    cloud.wait_boots(server, 1)
    eventually(lambda: images.find_image("original-shelved") is None, "its image is gone")
    cloud.delete(server)
    images.delete_image(image)
    eventually(lambda: not cloud.traces()["domains"] and not cloud.traces()["files"], "nothing is left")
