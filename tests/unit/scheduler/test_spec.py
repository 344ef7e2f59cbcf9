# SPDX-License-Identifier: Apache-2.0
"""The request as a value: what is worked out, what survives JSON, what newer versions may add."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from nova.scheduler.spec import RequestSpec, traits_of
from tests.unit.scheduler.build import TINY

names = st.text("abcdef-0123456789", min_size=1, max_size=8)
requests = st.fixed_dictionaries({"instance_uuid": names}, optional={
    "project_id": names, "user_id": names, "flavor": st.just(TINY), "availability_zone": st.none() | names,
    "image_properties": st.dictionaries(names, names, max_size=3), "force_host": st.none() | names,
    "requested_destination": st.none() | st.fixed_dictionaries({"host": names}),
    "scheduler_hints": st.dictionaries(names, st.lists(names, max_size=2), max_size=2),
    "group": st.none() | st.fixed_dictionaries({"uuid": names, "policy": names}, optional={
        "members": st.lists(names), "rules": st.dictionaries(names, st.integers())}),
    "num": st.integers(1, 9), "ignore_hosts": st.lists(names), "only_cell": st.none() | names})


@given(requests)
def test_a_request_survives_json(data: dict[str, object]) -> None:
    request = RequestSpec.from_dict(data)
    assert RequestSpec.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_resources_come_from_the_flavor_unless_given() -> None:
    assert RequestSpec.from_dict({"instance_uuid": "a", "flavor": TINY}).resources == {
        "VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
    assert RequestSpec.from_dict({"instance_uuid": "a", "flavor": TINY, "resources": {"VCPU": 3}}).resources == {
        "VCPU": 3}


def test_fields_of_a_newer_version_are_left_out() -> None:
    assert RequestSpec.from_dict({"instance_uuid": "a", "numa": {}}) == RequestSpec.from_dict({"instance_uuid": "a"})


def test_traits_of_flavor_and_image() -> None:
    flavor = {"extra_specs": {"trait:A": "required", "trait:B": "forbidden", "hw:x": "required"}}
    assert traits_of(flavor, {"trait:C": "required", "os_type": "linux"}) == ({"A", "C"}, {"B"})


def test_hints_are_one_server_or_a_list() -> None:
    request = RequestSpec("a", scheduler_hints={"same_host": "b", "different_host": ["c", "d"]})
    assert request.hint_uuids("same_host") == ("b",)
    assert request.named_servers() == {"b", "c", "d"}
    assert request.hint_uuids("group") == ()
