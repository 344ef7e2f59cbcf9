# SPDX-License-Identifier: Apache-2.0
"""Whose a guest's files are, where several hosts share the storage: a file beside the disks names the host that runs
the guest. Who is not named there leaves the files alone."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

FILE = "host"


class Ownership:
    """Of one host, by its name."""

    def __init__(self, host: str) -> None:
        self._host = host

    def elsewhere(self, directory: pathlib.Path) -> bool:
        """Does another host run the guest whose files these are?"""
        return self._read(directory) not in ("", self._host)

    def take(self, directory: pathlib.Path) -> None:
        self._write(directory, self._host)

    @contextlib.contextmanager
    def taken(self, directory: pathlib.Path) -> Iterator[None]:
        """The files are ours from now on, unless what is done with them fails."""
        former = self._read(directory)
        self.take(directory)
        try:
            yield
        except BaseException:
            if former:
                self._write(directory, former)
            raise

    @staticmethod
    def _read(directory: pathlib.Path) -> str:
        try:
            return (directory / FILE).read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    @staticmethod
    def _write(directory: pathlib.Path, host: str) -> None:
        draft = directory / f"{FILE}.new"
        draft.write_text(host + "\n")
        draft.rename(directory / FILE)
