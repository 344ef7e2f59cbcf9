# SPDX-License-Identifier: Apache-2.0
"""How the conformance suite chooses tests; and that its file can be read."""

from __future__ import annotations

import pytest

from tests.conformance.selection import Selection, Wrong, load, plain

TESTS = ["tempest.api.compute.a.One.test_x[id-1,negative]", "tempest.api.compute.a.One.test_xy[id-2]",
         "tempest.api.compute.a.OneMore.test_x[id-3]", "tempest.serial_tests.api.compute.b.Two.test_z[id-4]"]


def selection(excluded: dict[str, tuple[str, ...]], *smoke: str) -> Selection:
    return Selection({}, excluded, smoke)


@pytest.mark.parametrize(("name", "meant"), [
    ("tempest.api.compute.a.One.test_x", [0]), ("tempest.api.compute.a.One", [0, 1]),
    ("tempest.api.compute.a", [0, 1, 2]),
    ("tempest.serial_tests.api.compute", [3]),
])
def test_a_name_stands_for_itself_and_what_is_below(name: str, meant: list[int]) -> None:
    assert selection({"why": (name,)}).reasons(TESTS) == {TESTS[n]: "why" for n in meant}
    assert selection({}, name).short(TESTS) == [TESTS[n] for n in meant]


def test_names_must_be_known_and_stand_there_once() -> None:
    for excluded in ({"why": ("tempest.api.compute.a.Gone",)}, {"why": ("tempest.api.compute.a.One.test",)},
                     {"why": ("tempest.api.compute.a.One",), "also": ("tempest.api.compute.a.One.test_x",)}):
        with pytest.raises(Wrong, match="selection.yaml excludes tempest.api.compute.a"):
            selection(excluded).reasons(TESTS)
    with pytest.raises(Wrong, match="smoke run"):
        selection({}, "tempest.api.image").short(TESTS)


def test_the_file_can_be_read() -> None:
    chosen = load()
    groups = {name.partition(".")[0] for name in chosen.features}
    assert all(group.endswith("-enabled") or group == "enforce_scope" for group in groups)
    names = [name for names in chosen.excluded.values() for name in names]
    assert len(names) == len(set(names)) and all(name.startswith("tempest.") for name in (*names, *chosen.smoke))
    assert plain(TESTS[0]) == "tempest.api.compute.a.One.test_x"
