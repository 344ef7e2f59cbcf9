# SPDX-License-Identifier: Apache-2.0
"""Every known extra spec takes what its kind says and refuses the rest; names are known or belong to operators."""

from __future__ import annotations

import re

import pytest

from nova import errors
from nova.api.compute import extra_specs
from nova.api.compute.extra_specs import Entry, check

_EXAMPLES = {"{id}": "3", "{filter}": ":a:b", "{key}": "any: key", "{custom}": "MINE_2", "{group}": "_1"}
#: Values for the patterns of the table: which match, and which do not.
_MATCHING = {"hw:mem_page_size": (("large", "any", "2048", "1GB", "2MiB", "4k"), ("tiny", "GB", "-1")),
             "hw:pmem": (("4GB,1GB", "a"), ("", "a b", ",")),
             "hw:cpu_realtime_mask": (("0", "0-3", "^0,1-3", "0-1,3,^2"), ("", "a", "0-", "^", "0,,1", "-1"))}
_MATCHING |= {name: _MATCHING["hw:cpu_realtime_mask"] for name in ("hw:cpu_dedicated_mask", "hw:numa_cpus.{id}")}


def name_of(entry: Entry) -> str:
    return re.sub(r"\{\w+\}", lambda m: _EXAMPLES[m[0]], entry.name)


def values_of(entry: Entry) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the entry must take, and what it must refuse."""
    if entry.kind == "boolean":
        return ("true", "False", "1", "no"), ("", "maybe", "2")
    if entry.kind == "integer":
        if not entry.rest:
            return ("0", "-5", "12"), ("", "1.5", "x")
        least = int(entry.rest)
        return (str(least), str(least + 7)), (str(least - 1), "", "1.5", "x")
    if entry.kind == "words":
        words = tuple(entry.rest.split())
        return words, ("", "nonsense", words[0].upper() + "x")
    return _MATCHING[entry.name] if entry.kind == "pattern" else (("", "anything <in> here"), ())


@pytest.mark.parametrize("entry", extra_specs.entries(), ids=lambda entry: entry.name)
def test_values(entry: Entry) -> None:
    name = name_of(entry)
    good, bad = values_of(entry)
    for value in good:
        check(name, value)
    for value in bad:
        with pytest.raises(errors.Invalid, match="is not a valid value for extra spec"):
            check(name, value)


def test_how_many_are_known() -> None:
    """As many as the reference implementation knows with the same lists of traits and classes."""
    names = [entry.name for entry in extra_specs.entries()]
    assert len(names) == len(set(names))
    counts = [sum(name.startswith(start) for name in names) for start in ("trait{", "resources{")]
    assert len(names) - sum(counts) == 125 and counts[1] == 22
    assert {entry.kind for entry in extra_specs.entries()} == {"text", "boolean", "integer", "words", "pattern"}


@pytest.mark.parametrize("name", [
    "hw:nonsense", "hw:numa_cpus", "hw:numa_cpus.x", "hw_rng:", "os:", "quota:cpu_", "capabilities:nonsense",
    "capabilities:vcpus:more", "resources:NOT_A_CLASS", "resources_1:CUSTOM_", "trait:NOT_A_TRAIT", "trait2:CUSTOM_a",
    "traits:x",
    "aggregate_instance_extra_specs:", "accel:x", "vmware:x", "pci_passthrough:x"])
def test_names_that_a_known_namespace_does_not_have(name: str) -> None:
    with pytest.raises(errors.Invalid, match="does not appear to be a valid extra spec"):
        check(name, "1")


@pytest.mark.parametrize("name", ["mine", "my-tool:key", "HW:cpu_policy", "resource:x", "x" * 255])
def test_names_of_operators(name: str) -> None:
    check(name, "anything")


@pytest.mark.parametrize("name", ["resources:VCPU", "resources1:VCPU", "resources_my-group:CUSTOM_X",
                                  "resources:CUSTOM_X"])
def test_groups_of_resources(name: str) -> None:
    check(name, "2")
    with pytest.raises(errors.Invalid):
        check(name, "required")


def test_expressions_end_soon() -> None:
    """No pattern of the table can be made to try for ever."""
    for entry in extra_specs.entries():
        if entry.kind == "pattern":
            for attack in ("0," * 120 + "!", "0-1," * 60 + "!", "a" * 254 + "!", "1" * 254 + "!"):
                assert entry.refusal(attack) is not None
