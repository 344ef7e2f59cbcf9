# SPDX-License-Identifier: Apache-2.0
"""Keys on disk, and the memory of nonces. That buses refuse bad messages is in the bus contract."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from nova.rpc.envelope import Keyring, NonceCache, NullSigner, Refused, Sender, Signer, current_sender, receiving
from nova.rpc.keyring import SERVICES, host_key

ALICE = Sender("api", "alice", "i1")


@pytest.fixture
def ring() -> Keyring:
    made = Keyring()
    made.generate()
    made.generate(host_key("h1"))
    return made


def test_keys_survive_saving_and_loading(ring: Keyring, tmp_path: Path) -> None:
    ring.save(tmp_path / "keys")
    loaded = Keyring.load(tmp_path / "keys")
    assert {k: loaded.get(k) for k in loaded} == {k: ring.get(k) for k in ring}
    assert sorted(loaded) == ["host:h1", "services"]
    one = Keyring.load(tmp_path / "keys" / "host:h1.key")
    assert list(one) == ["host:h1"]


def test_only_the_owner_can_read_keys(ring: Keyring, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ring.save(tmp_path / "keys")
    finally:
        os.umask(before)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o777 for f in (tmp_path / "keys").iterdir()} == {0o600}
    (tmp_path / "keys" / "services.key").chmod(0o640)
    with pytest.raises(errors.ConfigError, match="chmod 0600"):
        Keyring.load(tmp_path / "keys")


def test_a_key_is_replaced_whole(ring: Keyring, tmp_path: Path) -> None:
    ring.save(tmp_path)
    old = ring.get(SERVICES)
    assert ring.generate() != old
    (tmp_path / ".services.new").write_text("left by a crash")
    ring.save(tmp_path)
    assert Keyring.load(tmp_path).get(SERVICES) == ring.get(SERVICES)


@pytest.mark.parametrize(("name", "text", "told"), [
    ("services.key", "zz", "cannot be read"), ("services.key", "ab", "too short"), ("nobody.key", "ab" * 32, "no name"),
    ("host:.key", "ab" * 32, "no name"), ("other.txt", "ab" * 32, "no key")])
def test_bad_keys_stop_the_start(tmp_path: Path, name: str, text: str, told: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(errors.ConfigError, match=told):
        Keyring.load(tmp_path)


def test_a_missing_key_is_named(ring: Keyring) -> None:
    with pytest.raises(errors.ConfigError, match="host:h2"):
        Signer(ring, host_key("h2"))
    with pytest.raises(errors.ConfigError):
        ring.generate("../../etc/passwd")
    with pytest.raises(errors.ConfigError):
        Keyring.load("/nonexistent/keys")


def test_a_sealed_message_opens_once(ring: Keyring) -> None:
    there, here = Signer(ring), Signer(ring)
    sealed, request = there.seal(ALICE, {"a": 1})
    opened = here.open(sealed)
    assert (opened.sender, opened.body) == (ALICE, {"a": 1})
    assert there.open_reply(request, here.seal_reply(opened, {"value": 2})) == {"value": 2}
    with pytest.raises(Refused):
        here.open(sealed)
    assert here.refused == {"replayed": 1}


@pytest.mark.parametrize("sealed", [None, 7, "text", [], {}, {"text": 1, "key": "services", "sig": ""},
                                    {"text": "{}", "key": "none", "sig": ""}, {"text": "[]", "key": "none", "sig": ""},
                                    {"text": "no json", "key": "none", "sig": ""}])
def test_nonsense_is_refused(sealed: object) -> None:
    signer = NullSigner()
    with pytest.raises(Refused) as caught:
        signer.open(sealed)
    assert caught.value.reason == "malformed"


def test_a_message_to_a_host_is_sealed_with_its_key(ring: Keyring) -> None:
    signer = Signer(ring)
    assert signer.seal(ALICE, {}, to_host="h1")[0]["key"] == "host:h1"
    assert signer.seal(ALICE, {}, to_host="h2")[0]["key"] == "services"
    assert signer.seal(ALICE, {})[0]["key"] == "services"
    assert Signer(ring.only("host:h1"), "host:h1").seal(ALICE, {}, to_host="h2")[0]["key"] == "host:h1"


def test_messages_age() -> None:
    simulation = Simulation(seed=3)

    def story() -> None:
        signer = NullSigner(lifetime=100.0)
        young, old = signer.seal(ALICE, {})[0], signer.seal(ALICE, {})[0]
        concurrency.sleep(99)
        signer.open(young)
        concurrency.sleep(2)
        with pytest.raises(Refused) as caught:
            signer.open(old)
        assert caught.value.reason == "expired"

    with concurrency.using(simulation):
        simulation.run(story)
        simulation.close()


def test_nonces_are_remembered_for_their_lifetime_and_then_forgotten() -> None:
    simulation = Simulation(seed=4)

    def story() -> None:
        cache = NonceCache(lifetime=100.0)
        for number in range(30):
            assert cache.add(f"n{number}")
            concurrency.sleep(10)
            for back in range(max(0, number - 8), number + 1):
                assert not cache.add(f"n{back}")
        assert len(cache._young) + len(cache._old) < 30
        concurrency.sleep(1000)
        assert cache.add("n0")

    with concurrency.using(simulation):
        simulation.run(story)
        simulation.close()


def test_senders_nest_and_belong_to_their_task() -> None:
    seen: list[Sender | None] = []
    with receiving(ALICE):
        with receiving(Sender("compute", "bob")):
            assert current_sender() == Sender("compute", "bob")
        assert current_sender() == ALICE
        concurrency.spawn(lambda: seen.append(current_sender())).join(120)
    assert current_sender() is None
    assert seen == [None]
