# SPDX-License-Identifier: Apache-2.0
"""Versioned objects: fields from annotations, primitives, changes, remote methods, and translation for older peers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from oslo_versionedobjects import base as ovo

from nova import errors
from nova.context import RequestContext
from nova.objects.backport import ALL, backport
from nova.objects.base import Json, NovaObject, from_primitive, is_primitive, register, versions_of
from nova.objects.compute_node import ComputeNode
from nova.objects.instance import Instance
from nova.objects.operation import Operation
from nova.objects.service import Service
from nova.objects.store import STORE_METHODS
from nova.objects.work import Work


def make_instance(**values: Any) -> Instance:
    usual: dict[str, Any] = {"uuid": "i1", "project_id": "p1", "user_id": "u1", "display_name": "web", "vcpus": 1,
                             "vm_state": "active", "memory_mb": 512, "root_gb": 1}
    return Instance.new(**usual | values)


def make_work() -> Work:
    operation = Operation.new(uuid="o1", instance_uuid="i1", seq=1, action="create", state="open", level="host:h1",
                              epoch=3)
    return Work.new(operation=operation, instance=make_instance(), image={"id": "im1", "size": 2**40})


class Recorder:
    """A store that remembers what it was asked, and answers with what it was given."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        if name not in STORE_METHODS:
            raise AttributeError(name)

        def method(*args: Any) -> Any:
            self.asked.append((name, *args))
            return self._answers[name]
        return method


def with_store(**answers: Any) -> tuple[RequestContext, Recorder]:
    store = Recorder(**answers)
    return RequestContext(store=store), store


@pytest.fixture
def newer_service() -> Iterator[type[NovaObject]]:
    """Service 1.1 of a later release: it has a new field, and knows how to do without it."""
    kept = ovo.VersionedObjectRegistry.obj_classes()["Service"].copy()

    class NewService(Service):
        VERSION = "1.1"
        novelty: str | None

        @classmethod
        def obj_name(cls) -> str:
            return "Service"

        def obj_make_compatible(self, primitive: dict[str, Any], target_version: str) -> None:
            super().obj_make_compatible(primitive, target_version)
            if target_version == "1.0":
                primitive.pop("novelty", None)

    yield register(NewService)
    ovo.VersionedObjectRegistry.obj_classes()["Service"][:] = kept


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_object_survives_the_bus(name: str) -> None:
    samples: dict[str, NovaObject] = {
        "Instance": make_instance(metadata={"a": "b"}, network_info=[{"id": "p"}], launched_at=1.5),
        "Operation": make_work().operation, "Work": make_work(),
        "Service": Service.new(uuid="s1", host="h1", binary="nova-compute", topic="compute"),
        "ComputeNode": ComputeNode.new(uuid="n1", host="h1", hypervisor_hostname="h1", hypervisor_type="fake",
                                       hypervisor_version=1, vcpus=4, memory_mb=1024, local_gb=10,
                                       inventory={"VCPU": {"total": 4}}, traits=["T"])}
    sent = samples[name]
    primitive = sent.obj_to_primitive()
    assert is_primitive(primitive)
    arrived = from_primitive(orjson.loads(orjson.dumps(primitive)))
    assert type(arrived) is type(sent)
    assert arrived.obj_to_primitive() == primitive
    assert not arrived.obj_what_changed()
    assert sent.as_dict().keys() == set(sent.fields)


def test_the_fast_primitive_is_that_of_the_library() -> None:
    work = make_work()
    slow = ovo.VersionedObject.obj_to_primitive(work)
    fast = work.obj_to_primitive()
    for primitive in (slow, *[v for v in slow["nova_object.data"].values() if is_primitive(v)]):
        primitive.pop("nova_object.changes", None)
    assert fast == slow


def test_defaults_are_not_shared() -> None:
    one, two = make_instance(), make_instance()
    one.metadata["a"] = 1
    assert two.metadata == {}
    assert make_instance().metadata == {}


def test_new_names_what_is_missing_or_unknown() -> None:
    with pytest.raises(TypeError, match=r"unknown fields \['colour'\], missing fields \['host', 'binary', 'topic'\]"):
        Service.new(uuid="s1", colour="red")


def test_a_field_that_was_not_read_says_so() -> None:
    with pytest.raises(AttributeError, match=r"Instance\.host is not set"):
        assert Instance(uuid="i1").host


def test_hydrated_rows_are_unchanged() -> None:
    row = {"uuid": "i1", "vcpus": 2, "metadata": {"a": "b"}, "a_column_of_no_field": 1}
    instance = Instance.hydrate(row)
    assert instance.as_dict() == {"uuid": "i1", "vcpus": 2, "metadata": {"a": "b"}}
    assert not instance.obj_what_changed()


def test_save_sends_the_changes_only() -> None:
    saved = make_instance(power_state=4, host="h1")
    context, store = with_store(instance_save=saved)
    instance = Instance.hydrate({"uuid": "i1", "power_state": 1, "host": None}, context)
    instance.power_state = 4
    instance.save(epoch=7)
    assert store.asked == [("instance_save", "i1", {"power_state": 4}, 7)]
    assert (instance.power_state, instance.host) == (4, "h1")
    instance.save()
    assert len(store.asked) == 1


def test_remote_methods_ask_the_store() -> None:
    other = Service.new(uuid="s2", host="h1", binary="b", topic="t", disabled=True)
    context, store = with_store(service_register=other, service_heartbeat=None, instance_get=make_instance(),
                                instances_on_host=[make_instance()])
    service = Service.new(context, uuid="s1", host="h1", binary="b", topic="t", incarnation="inc")
    service.heartbeat()
    service.register()
    assert service.disabled and service.uuid == "s2" and not service.obj_what_changed()
    assert store.asked == [("service_heartbeat", "s1", "inc"), ("service_register", service)]
    assert Instance.get(context, "i1").uuid == "i1"
    assert [i.uuid for i in Instance.on_host(context, "h1")] == ["i1"]
    assert Instance.hydrate({"uuid": "i1", "vm_state": "old"}, context).refresh().vm_state == "active"


def test_an_object_without_a_store_refuses() -> None:
    for context in (None, RequestContext()):
        with pytest.raises(errors.NovaError, match="no store"):
            Instance.new(context, uuid="i1", project_id="p", user_id="u", display_name="d", vm_state="active", vcpus=1,
                         memory_mb=1, root_gb=1).save()


def test_an_older_peer_gets_what_it_knows(newer_service: type[NovaObject]) -> None:
    newest = newer_service.new(uuid="s1", host="h1", binary="b", topic="t", novelty="x")
    primitive = newest.obj_to_primitive()
    assert primitive["nova_object.version"] == "1.1"
    older = backport(primitive, {"Service": "1.0"})
    assert older["nova_object.version"] == "1.0"
    assert older["nova_object.data"] == {k: v for k, v in primitive["nova_object.data"].items() if k != "novelty"}
    assert backport(primitive, {"Service": "1.1"}) == primitive


def test_a_newer_object_is_translated_by_whoever_knows_it(newer_service: type[NovaObject]) -> None:
    primitive = newer_service.new(uuid="s1", host="h1", binary="b", topic="t", novelty="x").obj_to_primitive()
    conductor = backport(primitive, {"Service": "1.0"})
    asked: list[Any] = []

    def ask(newer: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
        asked.append((newer, versions))
        return conductor

    future = primitive | {"nova_object.version": "1.5"}
    with pytest.raises(errors.NotSupported, match=r"Service 1\.5 is newer than 1\.1"):
        from_primitive(future)
    assert from_primitive(future, None, ask).as_dict()["uuid"] == "s1"
    assert asked == [(future, {"Service": "1.1"})]


def test_backport_reaches_nested_objects() -> None:
    primitive = make_work().obj_to_primitive()
    assert versions_of("Work") == {"Work": "1.0", "Instance": "1.0", "Operation": "1.0"}
    assert backport(primitive, versions_of("Work")) == primitive
    with pytest.raises(errors.Invalid):
        backport(primitive, {"Instance": "1.0"})


def test_versions_that_never_were_are_not_supported() -> None:
    with pytest.raises(errors.NotSupported):
        backport(make_work().obj_to_primitive(), {"Work": "3.0"})


def test_annotations_become_fields() -> None:
    @register
    class Sample(NovaObject):
        text: str
        number: int = 7
        maybe: float | None
        flag: bool = False
        items: list[str] = []
        anything: Json
        nested: Service | None
        many: list[Service] = []

    try:
        sample = Sample.new(text="t", nested=Service(uuid="s1"), many=[Service(uuid="s2")])
        arrived = from_primitive(orjson.loads(orjson.dumps(sample.obj_to_primitive())))
        assert isinstance(arrived, Sample)
        assert (arrived.number, arrived.maybe, arrived.flag, arrived.items) == (7, None, False, [])
        assert arrived.anything is None
        assert arrived.nested is not None and arrived.nested.uuid == "s1" and [m.uuid for m in arrived.many] == ["s2"]
    finally:
        del ovo.VersionedObjectRegistry.obj_classes()["Sample"]
