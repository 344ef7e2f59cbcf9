# SPDX-License-Identifier: Apache-2.0
"""Guests that have begun to run at their destination before all of their memory is there: where such a guest is, and
how a migration that breaks then is taken up again."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from typing import Any

from nova import concurrency, errors
from nova.virt.libvirt.connection import Connection

LOG = logging.getLogger(__name__)
LOOK_AGAIN = 0.25


class Standing(enum.Enum):
    """Of a guest at its source. ``AWAY``: it runs at its destination and needs the memory that is still here."""

    HERE = "here"
    AWAY = "away"
    OFF = "off"
    GONE = "gone"


def _reason(libvirt: Any, dom: Any) -> int | None:
    """Why a guest in post-copy stands still here; None for any other."""
    if not dom.isActive():
        return None
    state, reason = dom.state()
    away = (libvirt.VIR_DOMAIN_PAUSED_POSTCOPY, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)
    return reason if state == libvirt.VIR_DOMAIN_PAUSED and reason in away else None


def away(libvirt: Any, dom: Any) -> bool:
    """At the source, in a blocking call."""
    return _reason(libvirt, dom) is not None


def standing(connection: Connection, uuid: str) -> Standing:
    libvirt = connection.libvirt

    def look(dom: Any) -> Standing:
        if not dom.isActive():
            return Standing.OFF
        return Standing.AWAY if away(libvirt, dom) else Standing.HERE

    try:
        return connection.domain(uuid, look)
    except errors.NotFound:
        return Standing.GONE


def comes_in(libvirt: Any, dom: Any) -> bool:
    """At the destination: whether the rest of its memory is on its way. In a blocking call."""
    return bool(dom.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_POSTCOPY])


def broken(libvirt: Any, dom: Any) -> bool:
    """At the destination: whether nobody sends the rest of its memory. In a blocking call."""
    return tuple(dom.state()) in (
        (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED),
        (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED))


def wait_for(connection: Connection, uuid: str, again: Callable[[Any], Any], patience: float) -> None:
    """Until the guest needs nothing of its source any more, or nothing can be done for it: the destination tells which.
    ``again(dom)`` takes up a migration that broke, and blocks until it is over. That may be never, for a QEMU that
    waits for memory itself cannot be asked for anything: after ``patience`` seconds without progress it is given up."""
    libvirt = connection.libvirt
    attempt: _Attempt | None = None
    until = concurrency.monotonic() + patience
    while concurrency.monotonic() < until:
        try:
            reason = connection.domain(uuid, lambda dom: _reason(libvirt, dom))
        except errors.NotFound:
            return
        if reason is None or (attempt is not None and attempt.hopeless):
            return
        if reason == libvirt.VIR_DOMAIN_PAUSED_POSTCOPY:
            until = concurrency.monotonic() + patience
        elif attempt is None or attempt.over:
            LOG.info("the migration of guest %s broke after the guest had left; it is taken up again", uuid)
            attempt = _Attempt(connection, uuid, again)
        concurrency.sleep(LOOK_AGAIN)
    LOG.warning("guest %s has left and cannot be given the rest of its memory", uuid)


class _Attempt:
    """By a task of its own: it may never end. ``hopeless``: there is nobody at the destination."""

    def __init__(self, connection: Connection, uuid: str, again: Callable[[Any], Any]) -> None:
        self.over = self.hopeless = False
        concurrency.spawn(self._make, connection, uuid, again, name=f"migrate-{uuid}-again")

    def _make(self, connection: Connection, uuid: str, again: Callable[[Any], Any]) -> None:
        try:
            connection.domain(uuid, again)
        except errors.NotFound:  # the same whether it is the source or the destination that has none
            self.hopeless = True
        except (errors.HostFailure, errors.Unavailable) as e:
            LOG.info("guest %s, which has left: %s", uuid, e.message)
        finally:
            concurrency.sleep(2 * LOOK_AGAIN)
            self.over = True
