# SPDX-License-Identifier: Apache-2.0
"""``Idempotency-Key``: a POST with a key is carried out once; asked again, the first answer is given again.

Here is what HTTP knows of it: which requests are the same, and what is kept of an answer. Where keys are kept, and how
a key gets into the transaction that accepts the request, is behind the :class:`Keys` protocol.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import orjson

from nova import errors
from nova.web.reply import Answer
from nova.web.request import Request
from nova.web.routing import Route

LOG = logging.getLogger(__name__)
HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_LONGEST = 255
#: What an answer carries beside its body. Versions and request ids belong to the request at hand.
_KEPT_HEADERS = frozenset({"content-type", "location", "retry-after"})


#: In place of a status: there is no answer yet, but a note of how to go on.
_NOTE, _LATER = 0, 503


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is kept, or in its place the note of a request that was accepted and has more to do."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, answer: Answer) -> Kept:
        """Reads the body, so the answer must be sent from what is kept."""
        headers = tuple((k, v) for k, v in answer.headers if k.lower() in _KEPT_HEADERS)
        return cls(answer.status, headers, b"".join(answer.chunks))

    @classmethod
    def of_note(cls, note: Any) -> Kept:
        return cls(_NOTE, (), orjson.dumps(note))

    @property
    def note(self) -> Any:
        return orjson.loads(self.body) if self.status == _NOTE else None

    def answer(self) -> Answer:
        headers = list(self.headers)
        if self.body or self.status not in (204, 304):
            headers.append(("Content-Length", str(len(self.body))))
        return Answer(self.status, headers, (self.body,) if self.body else ())

    def dumps(self) -> bytes:
        return orjson.dumps([self.status, self.headers, self.body.decode()])

    @classmethod
    def loads(cls, data: bytes) -> Kept:
        status, headers, body = orjson.loads(data)
        return cls(status, tuple((k, v) for k, v in headers), body.encode())


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A request with a key. ``owner`` is the request itself; ``unknown`` is the answer when it was accepted and nothing
    more is known than that: None for requests whose answers say something."""

    key: str
    project_id: str
    user_id: str
    fingerprint: str
    owner: str
    unknown: Kept | None


class AlreadyDone(Exception):
    """Found out within the handler: a request with this key was carried out before."""

    def __init__(self, kept: Kept) -> None:
        super().__init__("carried out before")
        self.kept = kept


class Claim(Protocol):
    """The right to carry out a request."""

    @property
    def accepted(self) -> bool:
        """Whether anything was committed under it."""

    def witnessing(self) -> AbstractContextManager[None]:
        """Every transaction begun in the block carries the key. It may raise :class:`AlreadyDone`."""

    def promise(self, kept: Kept) -> None:
        """What the answer will be once the transaction at hand is committed; kept in that same transaction."""

    def keep(self, kept: Kept) -> None:
        """The answer that was given."""

    def drop(self) -> None:
        """Nothing was changed: the key is free again."""


class Keys(Protocol):
    """Where keys are kept."""

    def claim(self, asked: Asked) -> Claim | Kept:
        """The right to carry it out, or the answer of the first time. Raises :class:`errors.Unprocessable` when the key
        was used with another request and :class:`errors.Conflict` while the first one is being carried out."""


class Idempotency:
    """What a front does with POSTs that carry a key."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def wants(self, request: Request, route: Route) -> bool:
        return route.method == "POST" and not route.raw and HEADER in request.headers and bool(request.context.user_id)

    def serve(self, request: Request, route: Route, run: Callable[[], Answer], to_answer: Callable[[Any], Answer],
              fault: Callable[[Exception], Answer]) -> Answer:
        """The answer of ``run``, or that of the first time. Errors are kept only when something had been changed."""
        claim = self._keys.claim(_asked(request, route, to_answer(None)))
        if isinstance(claim, Kept):
            return _again(claim, request, run, fault)
        request.on_promise = lambda result: claim.promise(Kept.of(to_answer(result)))
        notes: list[Kept] = []

        def note(how: Any) -> None:
            notes[:] = [Kept.of_note(how)]
            claim.promise(notes[0])

        request.on_note = note
        try:
            with claim.witnessing():
                kept = Kept.of(run())
        except AlreadyDone as e:
            earlier = e.kept
            _quietly(lambda: claim.keep(earlier))
            return _again(earlier, request, run, fault)
        except Exception as e:
            if not claim.accepted:
                _quietly(claim.drop)
                raise
            kept = Kept.of(fault(e))
            if notes and kept.status == _LATER:  # not its end: the same key goes on
                _quietly(lambda: claim.keep(notes[0]))
                return kept.answer()
        if kept.status >= 400 and not claim.accepted:
            _quietly(claim.drop)
        else:
            _quietly(lambda: claim.keep(kept))
        return kept.answer()


def _asked(request: Request, route: Route, empty: Answer) -> Asked:
    key: str = request.headers[HEADER]
    if not 0 < len(key) <= _LONGEST:
        raise errors.Invalid(f"{HEADER} must have 1 to {_LONGEST} characters.")
    who = request.context
    where = {name: value for name, value in request.match.items() if name != "project_id"}
    meant = orjson.dumps([route.path, where, request.environ.get("QUERY_STRING", ""), str(request.version),
                          request.body_json], option=orjson.OPT_SORT_KEYS)
    return Asked(key, who.project_id or "", who.user_id or "", hashlib.sha256(meant).hexdigest(),
                 request.request_id.removeprefix("req-"), Kept.of(empty) if route.success in (202, 204) else None)


def _again(kept: Kept, request: Request, run: Callable[[], Answer], fault: Callable[[Exception], Answer]) -> Answer:
    """The answer of the first time; where there is none yet, the handler goes on from its note."""
    request.noted = kept.note
    if request.noted is None:
        answer = kept.answer()
    else:
        try:
            answer = run()
        except Exception as e:
            answer = fault(e)
    answer.headers.append((REPLAYED, "true"))
    return answer


def _quietly(work: Callable[[], None]) -> None:
    """The request itself is over; what could not be noted of it is made up for when its hold ends."""
    try:
        work()
    except errors.NovaError as e:
        LOG.warning("the outcome of a request with a key could not be noted: %s", e.message)
