# SPDX-License-Identifier: Apache-2.0
"""Atomic writes, removal of trees, locks."""

from __future__ import annotations

import errno
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from nova import concurrency, errors
from nova.host import files


def test_a_write_replaces_the_whole_and_leaves_nothing_beside_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    files.write_atomic(path, "first and long")
    files.write_atomic(path, b"second", mode=0o600, durable=False)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError):
        files.write_atomic(path, "x")
    assert os.listdir(tmp_path) == ["file"]


def test_a_tree_is_removed_and_need_not_be_there(tmp_path: pathlib.Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "file").write_text("x")
    files.remove_tree(tree)
    files.remove_tree(tree)
    assert os.listdir(tmp_path) == []


def test_a_removal_that_died_half_way_is_finished(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "kept").mkdir()
    with monkeypatch.context() as death:
        death.setattr(concurrency, "offload", _die)
        with pytest.raises(KeyboardInterrupt):
            files.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists() and len(os.listdir(tmp_path)) == 2
    files.finish_removals(tmp_path)
    assert os.listdir(tmp_path) == ["kept"]


def _die(*args: object) -> None:
    raise KeyboardInterrupt


def test_a_tree_that_nobody_waits_for_leaves_its_place_at_once(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going = concurrency.Event()
    offload = concurrency.offload

    def slowly(work: Any, *args: Any) -> Any:
        assert going.wait(30)
        return offload(work, *args)

    monkeypatch.setattr(concurrency, "offload", slowly)
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    files.remove_tree_soon(tmp_path / "tree", after=0)
    files.remove_tree_soon(tmp_path / "tree", after=0)
    assert not (tmp_path / "tree").exists() and len(os.listdir(tmp_path)) == 1
    going.set()
    _until_empty(tmp_path)


def test_what_cannot_be_removed_at_once_is_tried_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offload, refusals = concurrency.offload, [OSError(errno.EBUSY, "busy")]

    def busy_at_first(work: Any, *args: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return offload(work, *args)

    monkeypatch.setattr(concurrency, "offload", busy_at_first)
    (tmp_path / "tree").mkdir()
    files.remove_tree_soon(tmp_path / "tree", after=0)
    _until_empty(tmp_path)
    assert not refusals


def _until_empty(directory: pathlib.Path) -> None:
    end = concurrency.monotonic() + 60
    while os.listdir(directory):
        assert concurrency.monotonic() < end, os.listdir(directory)
        concurrency.sleep(0.01)


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path: pathlib.Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    files.remove_tree(tmp_path / "link")
    assert os.listdir(tmp_path) == ["kept"]


def test_a_lock_keeps_other_tasks_out(tmp_path: pathlib.Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with files.locked(tmp_path / "lock"):
            inside.append(1)
            most.append(len(inside))
            concurrency.sleep(0.005)
            inside.pop()

    tasks = [concurrency.spawn(work) for _ in range(5)]
    assert all(t.join(120) for t in tasks)
    assert most == [1] * 5


def test_a_lock_of_a_dead_process_is_free(tmp_path: pathlib.Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl,time; f=open({str(lock)!r},'w'); fcntl.flock(f,fcntl.LOCK_EX); "
                               "print(1,flush=True); time.sleep(100)"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline()
        with pytest.raises(errors.HostFailure, match="was held by another process for 0.1 s"):
            with files.locked(lock, timeout=0.1):
                pass
    finally:
        holder.kill()
        holder.communicate(timeout=120)
    with files.locked(lock, timeout=0.1):
        pass
