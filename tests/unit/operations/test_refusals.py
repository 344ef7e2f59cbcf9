# SPDX-License-Identifier: Apache-2.0
"""Every transition of the state table is carried out or refused, and no refusal says what is not so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import nova.api
import nova.operations
from nova import errors, states
from nova.operations.facade import Operations
from nova.operations.refusals import REFUSALS

OPERATIONS = Path(inspect.getfile(nova.operations)).parent
FRONTS = Path(inspect.getfile(nova.api)).parent
UUID = "0e0e0e0e-0000-4000-8000-000000000001"


def text_of(*folders: Path) -> str:
    return "\n".join(p.read_text() for folder in folders for p in folder.rglob("*.py") if p.name != "refusals.py")


def carried_out() -> set[str]:
    """Transitions that the operations name."""
    written = text_of(OPERATIONS, FRONTS)
    return {name for name in states.TRANSITIONS if re.search(rf'"{name}"', written)}


def test_every_transition_is_carried_out_or_refused() -> None:
    refused = {refusal.transition for refusal in REFUSALS.values()}
    assert refused <= set(states.TRANSITIONS)
    assert set(states.TRANSITIONS) - refused - carried_out() == set()


def test_every_refusal_can_be_met() -> None:
    """A front asks for it by its name."""
    written = text_of(OPERATIONS, FRONTS)
    assert [what for what in REFUSALS if f'"{what}"' not in written and f"'{what}'" not in written] == []


@pytest.mark.parametrize("what", sorted(REFUSALS))
def test_a_refusal_is_told_in_the_words_of_the_api(what: str) -> None:
    refusal = REFUSALS[what]
    error = refusal.told(UUID)
    assert isinstance(error, errors.NovaError) and error.http in (400, 404, 409, 501)
    assert error.message.startswith(f"Cannot '{refusal.name}' instance {UUID}: ") and error.message.endswith(".")


def test_the_operations_offer_what_is_not_refused() -> None:
    offered = {name for name, _ in inspect.getmembers(Operations, inspect.isfunction) if not name.startswith("_")}
    assert {"create", "delete", "start", "stop", "reboot"} <= offered
    assert offered.isdisjoint(REFUSALS)
