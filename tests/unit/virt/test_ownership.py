# SPDX-License-Identifier: Apache-2.0
"""Files on shared storage belong to the host that runs the guest."""

from __future__ import annotations

import pathlib

import pytest

from nova.virt.libvirt.ownership import Ownership


def test_files_are_whose_who_took_them_last(tmp_path: pathlib.Path) -> None:
    one, other = Ownership("one"), Ownership("other")
    assert not one.elsewhere(tmp_path) and not one.elsewhere(tmp_path / "nothing")
    one.take(tmp_path)
    assert not one.elsewhere(tmp_path) and other.elsewhere(tmp_path)
    with other.taken(tmp_path):
        assert one.elsewhere(tmp_path)
    assert one.elsewhere(tmp_path) and not other.elsewhere(tmp_path)


def test_a_guest_that_does_not_start_leaves_them_to_the_former_host(tmp_path: pathlib.Path) -> None:
    one, other = Ownership("one"), Ownership("other")
    one.take(tmp_path)
    with pytest.raises(RuntimeError), other.taken(tmp_path):
        raise RuntimeError("no memory")
    assert other.elsewhere(tmp_path) and not one.elsewhere(tmp_path)
