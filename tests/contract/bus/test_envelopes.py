# SPDX-License-Identifier: Apache-2.0
"""No bus takes a message that is forged, old, repeated or meant for somebody else; whoever called is told."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency, errors
from nova.context import RequestContext
from nova.rpc.endpoint import Endpoint
from nova.rpc.envelope import Keyring, Received, Sealed, Sealer, Sender, Signer, current_sender
from nova.rpc.keyring import SERVICES, host_key
from tests.contract.bus.conftest import Kit


class Desk(Endpoint):
    def __init__(self) -> None:
        self.told: Any = concurrency.Queue()

    def tell(self, context: RequestContext, word: str) -> str:
        self.told.put(word)
        return word

    def sender(self, context: RequestContext) -> list[str]:
        sender = current_sender()
        assert sender is not None
        return [sender.service, sender.host]


class Repeating(Signer):
    """Sends the first message again and again."""

    first: tuple[Sealed, Received] | None = None

    def seal(self, sender: Sender, body: dict[str, Any], *, to_host: str | None = None) -> tuple[Sealed, Received]:
        self.first = self.first or super().seal(sender, body, to_host=to_host)
        return self.first


class Altering(Signer):
    """Changes the message after it was signed."""

    def seal(self, sender: Sender, body: dict[str, Any], *, to_host: str | None = None) -> tuple[Sealed, Received]:
        sealed, request = super().seal(sender, body, to_host=to_host)
        return sealed | {"text": sealed["text"].replace("honest", "forged")}, request


class Misdirecting(Signer):
    """Takes what was signed for another topic to this one."""

    def seal(self, sender: Sender, body: dict[str, Any], *, to_host: str | None = None) -> tuple[Sealed, Received]:
        return super().seal(sender, body | {"topic": "scheduler"}, to_host=to_host)


class Mangling(Signer):
    def seal(self, sender: Sender, body: dict[str, Any], *, to_host: str | None = None) -> tuple[Sealed, Received]:
        sealed, request = super().seal(sender, body, to_host=to_host)
        return {"text": sealed["text"], "key": sealed["key"]}, request


def stranger() -> Keyring:
    ring = Keyring()
    ring.generate()
    return ring


def refused(kit: Kit, sealer: Sealer, reason: str) -> None:
    """Neither a call nor a cast of that sealer is served, both are counted, and an honest caller still is."""
    desk, gate = Desk(), kit.signer()
    kit.serve(kit.bus(signer=gate), desk)
    bus, context = kit.bus(signer=sealer), RequestContext()
    bus.cast(context, "conductor", "tell", args={"word": "honest"})
    with pytest.raises(errors.Forbidden) as caught:
        bus.call(context, "conductor", "tell", args={"word": "honest"})
    assert caught.value.details["reason"] == reason
    assert kit.bus().call(context, "conductor", "tell", args={"word": "true"}) == "true"
    assert desk.told.get(timeout=120) == "true"
    assert desk.told.qsize() == 0
    assert gate.refused == {reason: 2}


def test_a_message_signed_with_another_secret_is_refused(kit: Kit) -> None:
    refused(kit, Signer(stranger()), "signature")


def test_an_altered_message_is_refused(kit: Kit) -> None:
    refused(kit, Altering(kit.keyring), "signature")


def test_a_message_under_an_unknown_key_is_refused(kit: Kit) -> None:
    ring = Keyring()
    ring.generate(host_key("c9"))
    refused(kit, Signer(ring, host_key("c9")), "key")


def test_an_unsigned_message_is_refused(kit: Kit, null_signer: Sealer) -> None:
    refused(kit, null_signer, "key")


def test_an_expired_message_is_refused(kit: Kit) -> None:
    refused(kit, Signer(kit.keyring, lifetime=-1.0), "expired")


def test_a_message_that_is_good_for_too_long_is_refused(kit: Kit) -> None:
    refused(kit, Signer(kit.keyring, lifetime=1e6), "expired")


def test_a_message_for_another_topic_is_refused(kit: Kit) -> None:
    refused(kit, Misdirecting(kit.keyring), "misdirected")


def test_a_message_without_a_signature_is_refused(kit: Kit) -> None:
    refused(kit, Mangling(kit.keyring), "malformed")


def test_a_host_cannot_speak_for_another(kit: Kit) -> None:
    kit.keyring.generate(host_key("h2"))
    refused(kit, Signer(kit.keyring.only(host_key("h2")), host_key("h2")), "sender")


def test_a_repeated_message_is_refused(kit: Kit) -> None:
    desk, gate, context = Desk(), kit.signer(), RequestContext()
    kit.serve(kit.bus(signer=gate), desk)
    bus = kit.bus(signer=Repeating(kit.keyring))
    assert bus.call(context, "conductor", "tell", args={"word": "once"}) == "once"
    with pytest.raises(errors.Forbidden):
        bus.call(context, "conductor", "tell", args={"word": "once"})
    assert desk.told.qsize() == 1
    assert gate.refused == {"replayed": 1}


def test_a_forged_answer_is_refused(kit: Kit) -> None:
    class Forging(Signer):
        def seal_reply(self, request: Received, body: dict[str, Any]) -> Sealed:
            sealed = super().seal_reply(request, body)
            return sealed | {"text": sealed["text"].replace("true", "forged")}

    kit.serve(kit.bus(signer=Forging(kit.keyring)), Desk())
    with pytest.raises(errors.Forbidden):
        kit.bus().call(RequestContext(), "conductor", "tell", args={"word": "true"})


def test_an_answer_to_another_question_is_refused(kit: Kit) -> None:
    class Old(Signer):
        answer: Sealed | None = None

        def seal_reply(self, request: Received, body: dict[str, Any]) -> Sealed:
            self.answer = self.answer or super().seal_reply(request, body)
            return self.answer

    kit.serve(kit.bus(signer=Old(kit.keyring)), Desk())
    bus = kit.bus()
    assert bus.call(RequestContext(), "conductor", "tell", args={"word": "one"}) == "one"
    with pytest.raises(errors.Forbidden):
        bus.call(RequestContext(), "conductor", "tell", args={"word": "two"})


def test_hosts_and_control_plane_speak_with_the_hosts_key(kit: Kit) -> None:
    kit.keyring.generate(host_key("h1"))
    kit.keyring.generate(host_key("h2"))
    on_host = Signer(kit.keyring.only(host_key("h1")), host_key("h1"))
    assert SERVICES not in kit.keyring.only(host_key("h1"))
    kit.serve(kit.bus(service="compute", host="h1", signer=on_host), Desk(), topic="compute", server="h1")
    kit.serve(kit.bus(service="conductor"), Desk())
    context = RequestContext()
    down = kit.bus(service="conductor", host="c1")
    up = kit.bus(service="compute", host="h1", signer=on_host)
    assert down.call(context, "compute", "sender", server="h1", args={}) == ["conductor", "c1"]
    assert up.call(context, "conductor", "sender", args={}) == ["compute", "h1"]
    assert up.call(context, "compute", "sender", server="h1", args={}) == ["compute", "h1"]
    other = kit.bus(service="compute", host="h2", signer=Signer(kit.keyring.only(host_key("h2")), host_key("h2")))
    with pytest.raises(errors.Forbidden):
        other.call(context, "compute", "sender", server="h1", args={})
