# SPDX-License-Identifier: Apache-2.0
"""A copy of a disk that comes to its end in the moment in which it is to be ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nova.virt.libvirt.snapshots import LibvirtSnapshots


class LibvirtError(Exception):
    def __init__(self, code: int) -> None:
        self._code = code

    def get_error_code(self) -> int:
        return self._code


LIBVIRT = SimpleNamespace(libvirtError=LibvirtError, VIR_ERR_OPERATION_INVALID=55, VIR_ERR_OPERATION_FAILED=9,
                          VIR_DOMAIN_JOB_NONE=0, VIR_DOMAIN_JOB_OPERATION_BACKUP=10)


class Domain:
    """Its job is there when it is asked for, and answers ``code`` when it is to be aborted."""

    def __init__(self, code: int) -> None:
        self._code = code
        self.aborted = 0

    def isActive(self) -> bool:  # noqa: N802 - libvirt's name
        return True

    def jobStats(self) -> dict[str, Any]:  # noqa: N802
        return {"type": 2, "operation": LIBVIRT.VIR_DOMAIN_JOB_OPERATION_BACKUP}

    def abortJob(self) -> None:  # noqa: N802
        self.aborted += 1
        raise LibvirtError(self._code)


def driver() -> Any:
    made = object.__new__(LibvirtSnapshots)
    made.hypervisor = SimpleNamespace(libvirt=LIBVIRT)
    return made


def test_one_that_has_just_ended_is_no_failure() -> None:
    domain = Domain(LIBVIRT.VIR_ERR_OPERATION_INVALID)
    driver()._end_backup(domain)
    assert domain.aborted == 1


def test_other_failures_are_told() -> None:
    with pytest.raises(LibvirtError):
        driver()._end_backup(Domain(LIBVIRT.VIR_ERR_OPERATION_FAILED))
