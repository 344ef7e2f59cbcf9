# SPDX-License-Identifier: Apache-2.0
"""The samples of notifications are what the code sends, and there is one of each event."""

from __future__ import annotations

import json
from typing import Any

from nova.objects.notifications import catalogue
from nova.store.events import _names
from nova.workflow.operations import SHAPES
from tests.architecture.notification_samples import FOLDER, samples


def test_samples_are_current() -> None:
    recorded = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert recorded == samples(), "run: python -m tests.architecture.notification_samples"


def objects(value: Any) -> list[dict[str, Any]]:
    """All versioned objects in a primitive."""
    if isinstance(value, list):
        return [found for item in value for found in objects(item)]
    if not isinstance(value, dict):
        return []
    mine = [value] if "nova_object.name" in value else []
    return mine + [found for item in value.values() for found in objects(item)]


def test_payloads_are_versioned_objects_of_the_declared_class() -> None:
    for event in catalogue.events([shape.action for shape in SHAPES]):
        payload = json.loads(samples()[event.name.replace(".", "-") + ".json"])["payload"]
        assert payload["nova_object.name"] == event.payload.__name__
        for found in objects(payload):
            assert set(found) == {"nova_object.name", "nova_object.namespace", "nova_object.version",
                                  "nova_object.data"}
            assert found["nova_object.namespace"] == "nova"


def test_the_catalogue_names_events_as_they_are_sent() -> None:
    """Both spell the name from the operation and the phase; the table and the sender must agree."""
    for action in catalogue.OPERATIONS:
        for event in catalogue.of_operation(action):
            assert _names(action, event.name.rpartition(".")[2]) == (event.name, event.legacy)
    deletes = {e.name: e.legacy for e in catalogue.SERVERS if e.name.startswith(("instance.delete", "instance.shut"))}
    phases = ("start", "end", "start_compute_down", "end_compute_down", "start_not_scheduled", "end_not_scheduled",
              "shutdown_start", "shutdown_end")
    assert dict(_names("delete", phase) for phase in phases) == deletes
