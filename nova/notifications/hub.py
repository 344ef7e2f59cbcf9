# SPDX-License-Identifier: Apache-2.0
"""Server events for everybody who listens to this process: the feed on one side, the loop of sockets on the other.

An event is rendered once per kind of listener, not once per client. Who may listen to what is decided by the front.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from nova import concurrency, errors
from nova.notifications import positions
from nova.notifications.feed import Feed, Source, Standing
from nova.notifications.positions import Position
from nova.web.streams import Handover, Loop, Stream

LOG = logging.getLogger(__name__)
#: After this many milliseconds clients come back by themselves.
_RETRY = b"retry: 2000\n"
#: So much of the past is sent to one client; who is further behind reads its servers anew.
_REPLAY = 10_000
#: The name of the source where servers begin.
FIRST = "api"


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What a listener wants to hear; None: everything. ``project_id`` None: of all projects."""

    project_id: str | None
    servers: frozenset[str] | None = None
    events: frozenset[str] | None = None
    statuses: frozenset[str] | None = None

    def matches(self, row: dict[str, Any]) -> bool:
        return ((self.project_id is None or row["project_id"] == self.project_id)
                and (self.servers is None or row["instance_uuid"] in self.servers)
                and (self.events is None or row["event"] in self.events)
                and (self.statuses is None or row["body"]["server"]["status"] in self.statuses))


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """``check``: seconds between two questions whether a client may still listen, as long as a request may be let in by
    mistake."""

    streams: int = 2000
    backlog: int = 262144
    keepalive: float = 15.0
    retention: float = 600.0
    hearsay: float = 2.5
    check: float = 5.0


class Hub:
    """``open`` streams; everything starts with the first of them and the reading ends with the last."""

    def __init__(self, sources: Callable[[], Sequence[Source]], limits: Limits) -> None:
        self._limits = limits
        self.loop = Loop(backlog=limits.backlog, keepalive=limits.keepalive, idle=self._idle, farewell=_farewell)
        self.feed = Feed(sources, self._deliver, retention=limits.retention, hearsay=limits.hearsay, first=FIRST)
        self._lock = concurrency.Lock()
        self._stop = concurrency.Event()
        self._keeper: concurrency.Task | None = None

    def open(self, wanted: Wanted, last: str | None, accept: Callable[[Handover], None] | None, *,
             ends_at: float | None = None, valid: Callable[[], bool] = lambda: True) -> Handover:
        """An answer that goes on from ``last``, the id of the last event that the client has seen.

        Raises Invalid for what is no id, Unavailable when too many streams are open.
        """
        known = positions.parse(last) if last else {}
        if known is None:
            raise errors.Invalid("The id of the last event is not one of ours.")
        with self._lock:
            if len(self.loop) >= self._limits.streams:
                raise errors.Unavailable("Too many event streams are open.", retry_after=5)
            self.feed.start()
            stream = Stream(wanted, ends_at=ends_at, valid=valid)
            with self.feed.lock:
                start = self.feed.standing()
                self.loop.register(stream)
            if self._keeper is None:
                self._keeper = concurrency.spawn(self._keep, name="streams-keeper")
        try:
            first = self._first(wanted, known, start)
        except BaseException:
            self.loop.discard(stream)
            raise
        return Handover(self.loop, stream, first, accept)

    def stop(self) -> None:
        self._stop.set()
        self.loop.stop()
        self.feed.stop()
        if self._keeper is not None:
            self._keeper.join(2)

    # -- what is sent --------------------------------------------------------------------------------------------------

    def _first(self, wanted: Wanted, known: dict[str, Position], start: dict[str, Standing]) -> bytes:
        """What a client hears at once: what it missed, and where it stands."""
        frames, lost = [_RETRY], bool(known) and set(known) != set(start)
        at = {name: known.get(name, standing.position) for name, standing in start.items()}
        for name, standing in sorted(start.items(), key=lambda item: item[0] != FIRST):
            position, seen = standing.position, known.get(name)
            if seen is not None:
                rows = self.feed.replay(name, seen.low, standing) if seen.since == position.since else None
                lost = lost or rows is None or len(rows) > _REPLAY
                for row in (rows or ())[-_REPLAY:]:
                    at[name] = Position(position.since, min(row["id"], position.low))
                    if wanted.matches(row):
                        frames.append(_frame(name, row, positions.render(at)))
            at[name] = position
        here = positions.render(at)
        if lost:
            frames.append(_event("reset", here, {"reason": "Events before this one may be missing."}))
        frames.append(_event("ready", here, {}) if self.feed.warm_in <= 0 else b": recording begins\n\n")
        return b"".join(frames)

    def _deliver(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Under the feed's lock: the rows are new to everybody who is registered."""
        by_key: dict[Any, list[Stream]] = {}
        for stream in self.loop.streams():
            by_key.setdefault(stream.key, []).append(stream)
        ids = self._ids(name, rows)
        frames: dict[int, bytes] = {}
        for wanted, members in by_key.items():
            parts = []
            for row, id_ in zip(rows, ids, strict=True):
                if wanted.matches(row):
                    if row["id"] not in frames:
                        frames[row["id"]] = _frame(name, row, id_)
                    parts.append(frames[row["id"]])
            if parts:
                self.loop.send(members, b"".join(parts))

    def _ids(self, name: str, rows: list[dict[str, Any]]) -> list[str]:
        """The id of each event: where a client stands that has seen it and all before it."""
        at = self.feed.positions()
        low, since = at[name].low, at[name].since
        ids = []
        for row in rows:
            low = row["id"] if row["id"] == low + 1 else low
            at[name] = Position(since, low)
            ids.append(positions.render(at))
        return ids

    def _idle(self) -> bytes:
        """A comment that keeps the connection open, and the position, which moves while others' events pass."""
        here = positions.render(self.feed.positions())
        return f": keep-alive\nid: {here}\n\n".encode() if here else b": keep-alive\n\n"

    # -- what goes on meanwhile ----------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Say when recording is sure; end the streams of who may no longer listen; rest when nobody does."""
        told, checked = self.feed.warm_in <= 0, concurrency.monotonic()
        while not self._stop.wait(0.5):
            streams = self.loop.streams()
            if not streams:
                with self._lock:
                    if not len(self.loop):
                        self.feed.stop()
                        self._keeper = None
                        return
            if not told and self.feed.warm_in <= 0:
                told = True
                self.loop.send(streams, _event("ready", positions.render(self.feed.positions()), {}))
            if concurrency.monotonic() - checked >= self._limits.check:
                checked = concurrency.monotonic()
                for stream in streams:
                    if not stream.valid():
                        self.loop.end(stream, "unauthorized")


def _frame(name: str, row: dict[str, Any], id_: str) -> bytes:
    moment = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC)
    return _event(row["event"], id_, {"id": f"{name}.{row['id']}", "time": moment.isoformat()} | row["body"])


def _event(event: str, id_: str, data: dict[str, Any]) -> bytes:
    position = f"id: {id_}\n" if id_ else ""
    return f"{position}event: {event}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


def _farewell(reason: str) -> bytes:
    return _event("end", "", {"reason": reason})
