# SPDX-License-Identifier: Apache-2.0
"""Objects do not change under peers that run another release without anybody noticing."""

from __future__ import annotations

import json

from oslo_versionedobjects import base as ovo

from nova.objects import store
from nova.objects.base import NovaObject, register
from tests.unit.objects.fingerprints import FILE, current, fingerprint


def test_objects_are_what_was_recorded() -> None:
    recorded = json.loads(FILE.read_text())
    assert current() == recorded, (
        "An object or the Store protocol changed. Raise the object's VERSION, serve older peers in "
        "obj_make_compatible, and run: python -m tests.unit.objects.fingerprints")


def test_a_fingerprint_sees_fields_and_types() -> None:
    def make(annotations: dict[str, type]) -> str:
        cls = type("Probe", (NovaObject,), {"__annotations__": annotations, "__module__": __name__})
        try:
            return fingerprint(register(cls))
        finally:
            del ovo.VersionedObjectRegistry.obj_classes()["Probe"]

    words = {make({"a": str}), make({"a": int}), make({"b": str}), make({"a": str, "b": str})}
    assert len(words) == 4
    assert make({"a": str}) == make({"a": str})


def test_what_the_conductor_offers_is_the_protocol() -> None:
    assert store.STORE_METHODS == {n for n in dir(store.Store) if not n.startswith("_")}
