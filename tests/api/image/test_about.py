# SPDX-License-Identifier: Apache-2.0
"""What the Image API says of itself, and that every route keeps strangers out."""

from __future__ import annotations

import httpx

from nova.api.image.front import make_front
from nova.policy import image as rules
from tests.api.image.conftest import Cloud, configuration


def test_versions(cloud: Cloud) -> None:
    stranger = cloud.as_user("")
    answer = stranger.get("/")
    assert answer.status_code == 300
    versions = answer.json()["versions"]
    assert [v["id"] for v in versions if v["status"] == "CURRENT"] == ["v2.7"]
    assert versions[0]["links"] == [{"rel": "self", "href": f"{cloud.url}/v2/"}]
    assert stranger.get("/versions").json() == answer.json() and stranger.get("/versions").status_code == 200


def test_information_and_schemas(alice: httpx.Client) -> None:
    assert alice.get("/v2/info/import").json()["import-methods"]["value"] == ["glance-direct"]
    assert [s["id"] for s in alice.get("/v2/info/stores").json()["stores"]] == ["file"]
    image = alice.get("/v2/schemas/image").json()
    assert image["name"] == "image" and "qcow2" in image["properties"]["disk_format"]["enum"]
    assert alice.get("/v2/schemas/images").json()["properties"]["images"]["items"] == image
    member = alice.get("/v2/schemas/member").json()
    assert alice.get("/v2/schemas/members").json()["properties"]["members"]["items"] == member


def test_other_paths_and_methods(alice: httpx.Client) -> None:
    assert alice.get("/v2/metadefs/namespaces").status_code == 404
    assert alice.get("/v1/images").status_code == 404
    answer = alice.put("/v2/images")
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, POST"


def test_every_rule_of_a_route_exists_and_every_route_refuses_a_stranger(cloud: Cloud) -> None:
    front = make_front(configuration(cloud.root.parent), cloud.images, authenticator=None, policy=_Nobody())
    known = {rule.name for rule in rules.RULES}
    used = {route.rule for route in front.routes if route.rule not in (None, "@")}
    assert used == known
    stranger = cloud.as_user("")
    for route in front.routes:
        path = route.path.format(id="x", member="y", tag="z")
        expected = 401 if route.rule else route.success
        assert stranger.request(route.method, path).status_code == expected, route.template


class _Nobody:
    def authorize(self, *_args: object) -> None:
        raise AssertionError("nothing is asked for here")
