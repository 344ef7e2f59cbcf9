# SPDX-License-Identifier: Apache-2.0
"""Tokens: what is written in them, the keys they are sealed with, and when they are good."""

from __future__ import annotations

import base64
import dataclasses
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from nova import concurrency, errors
from nova.identity.authentication import Name, ScopeWish, TokenProof
from nova.identity.keys import KeyRepository
from nova.identity.manager import Identity
from nova.identity.models import Scope, Token
from nova.identity.tokens import TokenCodec, new_audit_id
from tests.unit.identity.build import Cloud


@pytest.fixture
def keys(tmp_path: Path) -> KeyRepository:
    keys = KeyRepository(str(tmp_path / "k"))
    keys.ensure()
    return keys


@pytest.mark.parametrize("scope", [Scope("unscoped"), Scope("project", "ab" * 16), Scope("domain", "default"),
                                   Scope("system", "all"), Scope("project", "A" * 32)])
def test_a_token_says_what_was_sealed(keys: KeyRepository, scope: Scope) -> None:
    token = Token("u" * 64, scope, ("password", "token"), 1.5, 3.25, (new_audit_id(), new_audit_id()), 7, "c" * 32)
    sealed = TokenCodec(keys).seal(token)
    assert TokenCodec(keys).open(sealed) == token
    assert "=" not in sealed and len(sealed) < 400


@pytest.mark.parametrize("bad", ["", "x", "gAAAAAB", "é", "\udcff", "a" * 5000, "../../etc/passwd", "null"])
def test_what_we_did_not_seal_is_refused(keys: KeyRepository, bad: str) -> None:
    with pytest.raises(errors.Unauthorized):
        TokenCodec(keys).open(bad)


def test_a_changed_token_is_refused(keys: KeyRepository) -> None:
    codec = TokenCodec(keys)
    sealed = codec.seal(Token("u", Scope("unscoped"), ("password",), 1, 2, (new_audit_id(),), 0))
    raw = bytearray(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
    raw[30] ^= 1
    with pytest.raises(errors.Unauthorized):
        codec.open(base64.urlsafe_b64encode(raw).decode())


def test_keys_are_private_and_made_once(tmp_path: Path) -> None:
    keys = KeyRepository(str(tmp_path / "k"))
    keys.ensure()
    before = {p.name: p.read_bytes() for p in (tmp_path / "k").iterdir()}
    keys.ensure()
    assert {p.name: p.read_bytes() for p in (tmp_path / "k").iterdir()} == before
    assert sorted(before) == ["0", "1"]
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "k").iterdir()} == {0o600}


def test_rotation_keeps_former_tokens_until_their_key_is_dropped(tmp_path: Path) -> None:
    keys = KeyRepository(str(tmp_path / "k"), max_active=3)
    keys.ensure()
    staged = (tmp_path / "k" / "0").read_bytes()
    sealed = keys.seal(b"first")
    assert keys.rotate() == 2
    assert (tmp_path / "k" / "2").read_bytes() == staged
    assert keys.open(sealed) == b"first"
    assert Fernet(staged).decrypt(keys.seal(b"second") + "=" * (-len(keys.seal(b"second")) % 4)) == b"second"
    keys.rotate()
    assert sorted(p.name for p in (tmp_path / "k").iterdir()) == ["0", "2", "3"]
    with pytest.raises(errors.Unauthorized):
        keys.open(sealed)


def test_another_process_sees_the_rotation(tmp_path: Path) -> None:
    here, there = KeyRepository(str(tmp_path / "k")), KeyRepository(str(tmp_path / "k"))
    here.ensure()
    assert there.open(here.seal(b"one")) == b"one"
    here.rotate()
    assert there.open(here.seal(b"two")) == b"two"


def test_a_key_directory_that_cannot_be_used_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.ConfigError, match="fernet_key_repository"):
        KeyRepository(str(tmp_path / "file" / "k")).ensure()
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "1").write_text("no key")
    with pytest.raises(errors.ConfigError, match="fernet_key_repository"):
        KeyRepository(str(tmp_path / "k")).open("x")


class Clock:
    """Time that a test moves; everything else of the backend is as it is."""

    def __init__(self) -> None:
        self._real = concurrency.backend()
        self.ahead = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def time(self) -> float:
        return self._real.time() + self.ahead

    def monotonic(self) -> float:
        return self._real.monotonic() + self.ahead


def test_a_token_ends_and_one_got_from_it_ends_with_it(cloud: Cloud) -> None:
    clock = Clock()
    with concurrency.using(clock):  # type: ignore[arg-type]
        first, session = cloud.login(project="admin")
        clock.ahead = 3000
        second, again = cloud.identity.authentication.authenticate([TokenProof(first)], ScopeWish())
        assert again.token.expires_at == session.token.expires_at
        assert again.token.audit_ids[1:] == session.token.audit_ids
        assert again.token.methods == ("password", "token")
        clock.ahead = 3601
        for token in (first, second):
            with pytest.raises(errors.Unauthorized):
                cloud.identity.sessions.validate(token)
        assert cloud.identity.sessions.validate(first, expired_window=60).user.name == "admin"


def _other_process(cloud: Cloud) -> Identity:
    return Identity(cloud.identity.database, cloud.conf)


@pytest.mark.parametrize("change", ["disable", "password", "delete", "project", "domain", "role", "revoke"])
def test_a_change_voids_tokens_at_once_here_and_within_the_cache_time_elsewhere(cloud: Cloud, change: str) -> None:
    identity, ids, clock = cloud.identity, cloud.ids, Clock()
    with concurrency.using(clock):  # type: ignore[arg-type]
        other = _other_process(cloud)
        token, session = cloud.login("demo", project="demo")
        assert other.sessions.validate(token).role_names == ("member", "reader")
        if change == "disable":
            identity.users.update(ids.users["demo"], enabled=False)
        elif change == "password":
            identity.users.update(ids.users["demo"], password="another")
        elif change == "delete":
            identity.users.delete(ids.users["demo"])
        elif change == "project":
            identity.projects.update(ids.projects["demo"], enabled=False)
        elif change == "domain":
            identity.domains.update("default", enabled=False)
        elif change == "role":
            [assignment] = identity.assignments.find(actor_id=ids.users["demo"])
            identity.assignments.revoke(assignment)
        else:
            identity.revoke(session.token)
        with pytest.raises(errors.Unauthorized):
            identity.sessions.validate(token)
        clock.ahead = 5.1
        with pytest.raises(errors.Unauthorized):
            other.sessions.validate(token)


def test_enabling_a_user_again_does_not_revive_tokens(cloud: Cloud) -> None:
    token, _ = cloud.login("demo", project="demo")
    cloud.identity.users.update(cloud.ids.users["demo"], enabled=False)
    cloud.identity.users.update(cloud.ids.users["demo"], enabled=True)
    with pytest.raises(errors.Unauthorized):
        cloud.identity.sessions.validate(token)


def test_revocations_are_forgotten_when_their_tokens_have_expired(cloud: Cloud) -> None:
    from nova.db.api.identity_credentials import is_revoked
    _, session = cloud.login()
    cloud.identity.revoke(dataclasses.replace(session.token, audit_ids=("old",), expires_at=1.0))
    cloud.identity.revoke(session.token)
    with cloud.identity.database.read() as conn:
        assert is_revoked(conn, session.token.audit_ids[0])
        assert not is_revoked(conn, "old")


def test_a_good_token_costs_no_query_while_it_is_remembered_and_no_write_ever(cloud: Cloud) -> None:
    import sqlalchemy as sa
    token, _ = cloud.login(project="admin")
    cloud.identity.sessions.validate(token)
    seen: list[str] = []
    sa.event.listen(cloud.identity.database.engine, "before_cursor_execute",
                    lambda conn, cursor, statement, *rest: seen.append(statement))
    cloud.identity.sessions.validate(token)
    assert seen == []
    wish = ScopeWish("project", Name(id=cloud.ids.projects["admin"]))
    cloud.identity.authentication.authenticate([TokenProof(token)], wish)
    assert seen and all(s.startswith("SELECT") for s in seen)
