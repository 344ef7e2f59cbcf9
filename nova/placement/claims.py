# SPDX-License-Identifier: Apache-2.0
"""Claims: a consumer takes amounts of a provider's inventories, all of them or none, and gives them back.

Every function works inside the caller's transaction and bears repetition: the natural key of a claim is consumer and
provider. Racing claims meet in one conditional UPDATE of the ``used`` counters; there is no conflict while there is
room. Each function first raises the generation of the providers it writes, in uuid order; that row is their lock, so a
refusal is known before anything is written and needs no undo.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db import schema
from nova.db.api import placement as tables
from nova.placement.resources import capacity_of

INSTANCE = "INSTANCE"
MIGRATION = "MIGRATION"

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a claim was not granted. ``resource_class`` is empty when the provider itself is missing."""

    provider_uuid: str
    resource_class: str
    requested: int
    capacity: int = 0
    used: int = 0
    rule: str = "capacity"

    @property
    def message(self) -> str:
        if self.rule == "provider":
            return f"Resource provider {self.provider_uuid} does not exist."
        if self.rule == "held":
            return (f"The consumer already holds other amounts on resource provider {self.provider_uuid}; "
                    f"release or move them first.")
        if self.rule == "capacity":
            return (f"{self.resource_class}: {self.requested} requested, {max(self.capacity - self.used, 0)} free of "
                    f"{self.capacity}.")
        return f"{self.resource_class}: {self.requested} requested, which breaks the provider's {self.rule}."

    def error(self) -> errors.Conflict:
        return errors.Conflict(self.message, resource_class=self.resource_class, capacity=self.capacity,
                               used=self.used, requested=self.requested, provider_uuid=self.provider_uuid,
                               rule=self.rule)


def try_claim(conn: sa.Connection, consumer_uuid: str, project_id: str, user_id: str, provider_uuid: str,
              resources: Amounts, *, consumer_type: str = INSTANCE) -> Refusal | None:
    """Claim ``resources``; None when the consumer holds them now, else why not, with nothing taken. Five statements."""
    if not tables.touch(conn, provider_uuid):
        return Refusal(provider_uuid, "", 0, rule="provider")
    wanted = {name: amount for name, amount in resources.items() if amount > 0}
    consumer_known, state = _state(conn, consumer_uuid, provider_uuid)
    held = {name: row.held for name, row in state.items() if row.held is not None}
    if held:
        return None if held == wanted else Refusal(provider_uuid, "", 0, rule="held")
    refusals = (_refusal(provider_uuid, name, amount, state.get(name)) for name, amount in sorted(wanted.items()))
    refusal = next((found for found in refusals if found is not None), None)
    if refusal is not None or not wanted:
        return refusal
    _take(conn, provider_uuid, wanted)
    _record(conn, consumer_uuid, project_id, user_id, consumer_type, known=consumer_known)
    conn.execute(_NEW_ALLOCATION, [
        {"consumer_uuid": consumer_uuid, "provider_uuid": provider_uuid, "resource_class": name, "used": amount}
        for name, amount in sorted(wanted.items())])
    return None


def claim(conn: sa.Connection, consumer_uuid: str, project_id: str, user_id: str, provider_uuid: str,
          resources: Amounts, *, consumer_type: str = INSTANCE) -> bool:
    """As :func:`try_claim`, but a refusal is :class:`errors.Conflict` with class, capacity, used and requested."""
    refusal = try_claim(conn, consumer_uuid, project_id, user_id, provider_uuid, resources,
                        consumer_type=consumer_type)
    if refusal is not None:
        raise refusal.error()
    return True


def release(conn: sa.Connection, consumer_uuid: str, provider_uuid: str | None = None) -> bool:
    """Give back what the consumer holds, on one provider or everywhere; False when it held nothing."""
    if provider_uuid is None:
        held_on = sorted(conn.scalars(_HELD_ON, {"consumer": consumer_uuid}))
    else:
        held_on = [provider_uuid]
    tables.touch_all(conn, held_on)
    released = False
    for provider in held_on:
        key = {"consumer": consumer_uuid, "provider": provider}
        amounts = {name: amount for name, amount in conn.execute(_HELD, key)}
        if amounts:
            conn.execute(_DROP, key)
            _give_back(conn, provider, amounts)
            released = True
    if released:
        _forget_if_empty(conn, consumer_uuid)
    return released


def move(conn: sa.Connection, from_consumer: str, to_consumer: str, *, consumer_type: str = MIGRATION) -> bool:
    """Put everything one consumer holds under another; the counters stay.

    Nothing happens (and False is returned) when ``to_consumer`` holds something already: then it was done before.
    """
    a, c = tables.allocations, tables.consumers
    tables.touch_all(conn, conn.scalars(_HELD_ON, {"consumer": from_consumer}).all())
    owner = conn.execute(sa.select(c.c.project_id, c.c.user_id).where(c.c.uuid == from_consumer)).first()
    taken = conn.execute(sa.select(a.c.consumer_uuid).where(a.c.consumer_uuid == to_consumer).limit(1)).first()
    if owner is None or taken is not None:
        return False
    known = conn.execute(sa.select(c.c.uuid).where(c.c.uuid == to_consumer)).first() is not None
    _record(conn, to_consumer, owner.project_id, owner.user_id, consumer_type, known=known)
    moved = conn.execute(sa.update(a).where(a.c.consumer_uuid == from_consumer).values(consumer_uuid=to_consumer))
    _forget_if_empty(conn, from_consumer)
    return moved.rowcount > 0


def allocations_of(conn: sa.Connection, consumers: Iterable[str]) -> dict[str, dict[str, dict[str, int]]]:
    """consumer → provider → resource class → amount, of those that hold something."""
    a = tables.allocations
    found: dict[str, dict[str, dict[str, int]]] = {}
    rows = conn.execute(sa.select(a.c.consumer_uuid, a.c.provider_uuid, a.c.resource_class, a.c.used)
                        .where(a.c.consumer_uuid.in_(list(consumers))))
    for consumer, provider, name, amount in rows:
        found.setdefault(consumer, {}).setdefault(provider, {})[name] = amount
    return found


def providers_of(conn: sa.Connection, consumers: Iterable[str]) -> dict[str, str]:
    """consumer → a provider that it holds something on. Answers "where is this server" for hints and groups."""
    a = tables.allocations
    rows = conn.execute(sa.select(a.c.consumer_uuid, a.c.provider_uuid).distinct()
                        .where(a.c.consumer_uuid.in_(list(consumers))))
    return {consumer: provider for consumer, provider in rows}


def _state(conn: sa.Connection, consumer_uuid: str, provider_uuid: str) -> tuple[bool, dict[str, Any]]:
    """Is the consumer known, and the provider's inventories with what the consumer holds of each."""
    rows = conn.execute(_STATE, {"consumer": consumer_uuid, "provider": provider_uuid}).all()
    return bool(rows) and rows[0].consumer is not None, {row.resource_class: row for row in rows}


def _refusal(provider_uuid: str, name: str, amount: int, row: Any) -> Refusal | None:
    if row is None:
        return Refusal(provider_uuid, name, amount)
    capacity = capacity_of(row.total, row.reserved, row.allocation_ratio)
    rule = ""
    if row.used + amount > capacity:
        rule = "capacity"
    elif not row.min_unit <= amount <= row.max_unit:
        rule = "min_unit" if amount < row.min_unit else "max_unit"
    elif amount % row.step_size:
        rule = "step_size"
    return Refusal(provider_uuid, name, amount, capacity, row.used, rule) if rule else None


def _take(conn: sa.Connection, provider_uuid: str, amounts: Amounts) -> None:
    names = tuple(sorted(amounts))
    values = {"provider": provider_uuid} | {f"n{i}": amounts[name] for i, name in enumerate(names)}
    if conn.execute(_take_statement(names), values).rowcount != len(names):
        raise errors.Conflict(f"Inventory of resource provider {provider_uuid} changed beside its generation.",
                              provider_uuid=provider_uuid)


def _give_back(conn: sa.Connection, provider_uuid: str, amounts: Amounts) -> None:
    names = tuple(sorted(amounts))
    values = {"provider": provider_uuid} | {f"n{i}": amounts[name] for i, name in enumerate(names)}
    conn.execute(_give_back_statement(names), values)


def _record(conn: sa.Connection, uuid: str, project_id: str, user_id: str, kind: str, *, known: bool) -> None:
    if known:
        conn.execute(_RAISE_CONSUMER, {"consumer": uuid})
    else:
        conn.execute(_NEW_CONSUMER, {"uuid": uuid, "project_id": project_id, "user_id": user_id, "type": kind,
                                     "generation": 1})


def _forget_if_empty(conn: sa.Connection, consumer_uuid: str) -> None:
    if conn.execute(_FORGET, {"consumer": consumer_uuid}).rowcount == 0:
        conn.execute(_RAISE_CONSUMER, {"consumer": consumer_uuid})


def _make_state_query() -> sa.Select[Any]:
    i, a, c = tables.inventories, tables.allocations, tables.consumers
    consumer = sa.select(c.c.uuid).where(c.c.uuid == sa.bindparam("consumer")).scalar_subquery()
    return (sa.select(i, a.c.used.label("held"), consumer.label("consumer"))
            .select_from(i.outerjoin(a, sa.and_(a.c.provider_uuid == i.c.provider_uuid,
                                                a.c.resource_class == i.c.resource_class,
                                                a.c.consumer_uuid == sa.bindparam("consumer"))))
            .where(i.c.provider_uuid == sa.bindparam("provider")))


# Statements are made once: building them costs more than running them.
_A, _C = tables.allocations, tables.consumers
_OF_CONSUMER = _A.c.consumer_uuid == sa.bindparam("consumer")
_MINE = sa.and_(_OF_CONSUMER, _A.c.provider_uuid == sa.bindparam("provider"))
_STATE = _make_state_query()
_HELD_ON = sa.select(_A.c.provider_uuid).where(_OF_CONSUMER).distinct()
_HELD = sa.select(_A.c.resource_class, _A.c.used).where(_MINE)
_DROP = sa.delete(_A).where(_MINE)
_NEW_ALLOCATION = sa.insert(_A)
_NEW_CONSUMER = sa.insert(_C).values(created_at=schema.db_now())
_RAISE_CONSUMER = (sa.update(_C).where(_C.c.uuid == sa.bindparam("consumer"))
                   .values(generation=_C.c.generation + 1))
_FORGET = sa.delete(_C).where(_C.c.uuid == sa.bindparam("consumer"), ~sa.exists().where(_OF_CONSUMER))


def _amount_case(names: tuple[str, ...]) -> sa.Case[int]:
    i = tables.inventories
    return sa.case(*((i.c.resource_class == name, sa.bindparam(f"n{k}", type_=sa.Integer))
                     for k, name in enumerate(names)), else_=0)


def _one_of(names: tuple[str, ...]) -> sa.ColumnElement[bool]:
    # Not IN: its list would be expanded anew at each execution.
    return sa.or_(sa.false(), *(tables.inventories.c.resource_class == name for name in names))


@functools.lru_cache(maxsize=256)
def _take_statement(names: tuple[str, ...]) -> sa.Update:
    i = tables.inventories
    amount = _amount_case(names)
    # No floor(): a whole number is at most x exactly when it is at most floor(x).
    return (sa.update(i).where(i.c.provider_uuid == sa.bindparam("provider"), _one_of(names),
                               i.c.used + amount <= (i.c.total - i.c.reserved) * i.c.allocation_ratio)
            .values(used=i.c.used + amount))


@functools.lru_cache(maxsize=256)
def _give_back_statement(names: tuple[str, ...]) -> sa.Update:
    i = tables.inventories
    return (sa.update(i).where(i.c.provider_uuid == sa.bindparam("provider"), _one_of(names))
            .values(used=i.c.used - _amount_case(names)))
