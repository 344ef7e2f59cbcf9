# SPDX-License-Identifier: Apache-2.0
"""Several pieces of work that do not need each other, at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import concurrency


def together(first: Callable[[], Any], *others: Callable[[], Any]) -> list[Any]:
    """What each gives, in order. It returns when all have ended, and raises the error of the first that has one: what
    is done about it may count on nothing being under way any more."""
    works = (first, *others)
    results: list[Any] = [None] * len(works)
    missing: list[Exception | None] = [RuntimeError("A task ended without a result.") for _ in works]

    def carry_out(index: int) -> None:
        try:
            results[index], missing[index] = works[index](), None
        except Exception as e:
            missing[index] = e

    tasks = [concurrency.spawn(carry_out, index, name=f"together-{index}") for index in range(1, len(works))]
    carry_out(0)
    for task in tasks:
        task.join()
    for error in missing:
        if error is not None:
            raise error
    return results
