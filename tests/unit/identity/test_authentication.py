# SPDX-License-Identifier: Apache-2.0
"""Logging in: what proves who one is, for which scope, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import bcrypt
import pytest

from nova import concurrency, errors
from nova.concurrency.simulation import Simulation
from nova.db.api import identity as db
from nova.db.api import identity_users
from nova.identity.authentication import CredentialProof, Name, PasswordProof, ScopeWish, TokenProof
from nova.identity.lockout import Lockout
from nova.identity.models import Assignment, Scope
from nova.identity.passwords import Hasher
from tests.unit.identity.build import COST, Cloud, make_cloud
from tests.unit.identity.test_tokens import Clock


@pytest.mark.parametrize("name", [Name(name="demo", domain_id="default"), Name(name="demo", domain_name="Default")])
def test_a_user_is_known_by_name_in_a_domain(cloud: Cloud, name: Name) -> None:
    _, session = cloud.identity.authentication.authenticate([PasswordProof(name, "demo-secret")], ScopeWish())
    assert session.user.id == cloud.ids.users["demo"]
    assert session.token.scope.kind == "unscoped" and session.roles == ()


def test_scopes_give_their_roles(cloud: Cloud) -> None:
    everything = ("admin", "manager", "member", "reader")
    assert cloud.login(project="admin")[1].role_names == everything
    assert cloud.login(kind="system")[1].role_names == everything
    named = ScopeWish("project", Name(name="demo", domain_name="Default"))
    proof = PasswordProof(Name(id=cloud.ids.users["demo"]), "demo-secret")
    _, session = cloud.identity.authentication.authenticate([proof], named)
    assert session.role_names == ("member", "reader")
    assert session.place is not None and session.place.name == "demo"


@pytest.mark.parametrize("wish", [
    ScopeWish("project", Name(id="nowhere")), ScopeWish("project", Name(name="admin", domain_id="default")),
    ScopeWish("project", Name(name="demo", domain_name="nowhere")), ScopeWish("domain", Name(id="default")),
    ScopeWish("domain", Name(name="nowhere")), ScopeWish("system"), ScopeWish("project", Name()),
])
def test_a_scope_without_a_role_in_it_is_refused(cloud: Cloud, wish: ScopeWish) -> None:
    proof = PasswordProof(Name(id=cloud.ids.users["demo"]), "demo-secret")
    with pytest.raises(errors.Unauthorized):
        cloud.identity.authentication.authenticate([proof], wish)


def test_the_default_project_is_the_scope_when_none_is_named(cloud: Cloud) -> None:
    users, demo = cloud.identity.users, cloud.ids.users["demo"]
    users.update(demo, default_project_id=cloud.ids.projects["demo"])
    assert cloud.login("demo")[1].token.scope == Scope("project", cloud.ids.projects["demo"])
    assert cloud.login("demo", kind="unscoped")[1].token.scope.kind == "unscoped"
    users.update(demo, default_project_id=cloud.ids.projects["admin"])
    assert cloud.login("demo")[1].token.scope.kind == "unscoped"


@pytest.mark.parametrize("user,password", [("admin", "wrong"), ("nobody", "admin-secret"), ("admin", "x" * 10000)])
def test_refusals_tell_nothing(cloud: Cloud, user: str, password: str) -> None:
    with pytest.raises(errors.Unauthorized) as refused:
        cloud.login(user, password)
    assert refused.value.message == errors.Unauthorized().message


def test_disabled_users_and_domains_cannot_log_in(cloud: Cloud) -> None:
    cloud.identity.users.update(cloud.ids.users["demo"], enabled=False)
    with pytest.raises(errors.Unauthorized):
        cloud.login("demo")
    cloud.identity.users.update(cloud.ids.users["demo"], enabled=True)
    cloud.login("demo")
    cloud.identity.domains.update("default", enabled=False)
    with pytest.raises(errors.Unauthorized):
        cloud.login("demo")


def test_a_user_without_a_password_cannot_log_in(cloud: Cloud) -> None:
    cloud.identity.users.create("robot")
    with pytest.raises(errors.Unauthorized):
        cloud.login("robot", "None")


def test_proofs_must_be_of_one_user(cloud: Cloud) -> None:
    token, _ = cloud.login("demo")
    authenticate = cloud.identity.authentication.authenticate
    own = PasswordProof(Name(id=cloud.ids.users["demo"]), "demo-secret")
    assert authenticate([own, TokenProof(token)], ScopeWish())[1].token.methods == ("password", "token")
    other = PasswordProof(Name(id=cloud.ids.users["admin"]), "admin-secret")
    with pytest.raises(errors.Unauthorized):
        authenticate([other, TokenProof(token)], ScopeWish())
    with pytest.raises(errors.Unauthorized):
        authenticate([], ScopeWish())


def test_too_many_failures_shut_a_user_out_at_that_address_for_a_while(tmp_path: Path) -> None:
    cloud, clock = make_cloud(tmp_path, lockout_failure_attempts=3, lockout_duration=60), Clock()
    authenticate = cloud.identity.authentication.authenticate
    good = PasswordProof(Name(name="demo", domain_id="default"), "demo-secret")
    with concurrency.using(clock):  # type: ignore[arg-type]
        for _ in range(3):
            with pytest.raises(errors.Unauthorized):
                authenticate([dataclasses.replace(good, password="guess")], ScopeWish(), "192.0.2.66")
        by_id = dataclasses.replace(good, user=Name(id=cloud.ids.users["demo"]))
        for proof in (good, by_id):
            with pytest.raises(errors.Unauthorized):
                authenticate([proof], ScopeWish(), "192.0.2.66")
        authenticate([good], ScopeWish(), "192.0.2.1")
        with pytest.raises(errors.Unauthorized):
            cloud.identity.change_password(cloud.ids.users["demo"], "demo-secret", "new", "192.0.2.66")
        clock.ahead = 61
        authenticate([good], ScopeWish(), "192.0.2.66")
    cloud.identity.database.dispose()


def test_lockout_counts_addresses_and_users_in_total_and_forgets_on_success() -> None:
    lockout = Lockout(2, 4, 60)
    for user in "abcd":
        lockout.failed(user, "here")
    assert lockout.locked("e", "here") and not lockout.locked("e", "there")
    for address in "1234":
        lockout.failed("u", address)
    assert lockout.locked("u", "elsewhere")
    fresh = Lockout(2, 0, 60)
    fresh.failed("u", "here")
    fresh.succeeded("u", "here")
    fresh.failed("u", "here")
    assert not fresh.locked("u", "here")
    never = Lockout(0, 0, 60)
    for _ in range(10):
        never.failed("u", "here")
    assert not never.locked("u", "here")


def test_hashes_differ_verify_and_know_their_cost() -> None:
    one, two = Hasher(COST).hash("pässword"), Hasher(COST + 1).hash("pässword")
    assert one != two and one.startswith("$scrypt$ln=4,")
    for hashed in (one, two):
        assert Hasher(COST).verify("pässword", hashed)
        assert not Hasher(COST).verify("password", hashed)


def test_a_crowd_waits_its_turn_and_not_for_ever() -> None:
    with pytest.raises(errors.Unavailable):
        Hasher(COST, parallel=0, timeout=0.01).hash("x")
    hasher, done = Hasher(COST, parallel=1), []
    crowd = [concurrency.spawn(lambda: done.append(hasher.hash("x"))) for _ in range(5)]
    assert all(task.join(120) for task in crowd) and len(set(done)) == 5


@pytest.mark.parametrize("broken", [None, "", "plain", "$scrypt$", "$scrypt$ln=x,r=8,p=1$a$b", "$scrypt$ln=4$YQ$YQ",
                                    "$md5$ln=4,r=8,p=1$YQ$YQ", "$2b$nonsense"])
def test_a_broken_hash_lets_nobody_in(broken: str | None) -> None:
    assert not Hasher(COST).verify("x", broken)


def test_a_hash_from_keystone_is_understood(cloud: Cloud) -> None:
    hashed = bcrypt.hashpw(b"from-keystone", bcrypt.gensalt(4)).decode()
    with cloud.identity.database.write() as conn:
        db.update(conn, identity_users.users, cloud.ids.users["demo"], {"password_hash": hashed})
    assert cloud.login("demo", "from-keystone")[1].user.name == "demo"


def test_changing_a_password_needs_the_one_before_and_voids_tokens(cloud: Cloud) -> None:
    token, _ = cloud.login("demo", project="demo")
    demo = cloud.ids.users["demo"]
    for user_id, original in ((demo, "wrong"), ("nobody", "demo-secret")):
        with pytest.raises(errors.Unauthorized):
            cloud.identity.change_password(user_id, original, "new-secret")
    with pytest.raises(errors.Invalid):
        cloud.identity.change_password(demo, "demo-secret", "demo-secret")
    cloud.identity.change_password(demo, "demo-secret", "new-secret")
    cloud.login("demo", "new-secret")
    for refused in (lambda: cloud.login("demo"), lambda: cloud.identity.sessions.validate(token)):
        with pytest.raises(errors.Unauthorized):
            refused()


class TestApplicationCredentials:
    @staticmethod
    def _make(cloud: Cloud, role: str = "reader", **attributes: object) -> tuple[str, str]:
        made, secret = cloud.identity.application_credentials.create(
            cloud.ids.users["demo"], cloud.ids.projects["demo"], "robot", [cloud.ids.roles[role]],
            **attributes)  # type: ignore[arg-type]
        return made.id, secret

    def test_it_logs_in_with_its_roles_only(self, cloud: Cloud) -> None:
        credential_id, secret = self._make(cloud)
        by_name = CredentialProof(secret, name="robot", user=Name(name="demo", domain_id="default"))
        for proof in (CredentialProof(secret, id=credential_id), by_name):
            token, session = cloud.identity.authentication.authenticate([proof], ScopeWish())
            assert session.role_names == ("reader",)
            assert session.token.scope == Scope("project", cloud.ids.projects["demo"])
            assert cloud.identity.sessions.validate(token).credential is not None

    @pytest.mark.parametrize("proof", [CredentialProof("s", id="none"), CredentialProof("s", name="robot"),
                                       CredentialProof("s", name="x", user=Name(name="demo", domain_id="default"))])
    def test_unknown_ones_are_refused(self, cloud: Cloud, proof: CredentialProof) -> None:
        self._make(cloud)
        with pytest.raises(errors.Unauthorized):
            cloud.identity.authentication.authenticate([proof], ScopeWish())

    def test_its_token_gets_no_other_token_and_takes_no_scope(self, cloud: Cloud) -> None:
        credential_id, secret = self._make(cloud)
        proof = CredentialProof(secret, id=credential_id)
        token, _ = cloud.identity.authentication.authenticate([proof], ScopeWish())
        own = ScopeWish("project", Name(id=cloud.ids.projects["demo"]))
        for proofs, wish in (([TokenProof(token)], own), ([TokenProof(token)], ScopeWish()), ([proof], own)):
            with pytest.raises(errors.Unauthorized):
                cloud.identity.authentication.authenticate(proofs, wish)

    @pytest.mark.parametrize("end", ["expire", "delete", "role", "user"])
    def test_its_tokens_end_with_it(self, cloud: Cloud, end: str) -> None:
        clock = Clock()
        with concurrency.using(clock):  # type: ignore[arg-type]
            credential_id, secret = self._make(cloud, "member", expires_at=concurrency.time() + 100)
            token, _ = cloud.identity.authentication.authenticate(
                [CredentialProof(secret, id=credential_id)], ScopeWish())
            demo, project = cloud.ids.users["demo"], cloud.ids.projects["demo"]
            if end == "expire":
                clock.ahead = 101
            elif end == "delete":
                cloud.identity.application_credentials.delete(demo, credential_id)
            elif end == "role":
                made = Assignment("user", demo, "project", project, cloud.ids.roles["member"])
                cloud.identity.assignments.revoke(made)
                cloud.identity.assignments.grant(dataclasses.replace(made, role_id=cloud.ids.roles["service"]))
            else:
                cloud.identity.users.update(demo, enabled=False)
            with pytest.raises(errors.Unauthorized):
                cloud.identity.sessions.validate(token)
            with pytest.raises(errors.Unauthorized):
                cloud.identity.authentication.authenticate([CredentialProof(secret, id=credential_id)], ScopeWish())

    def test_that_of_another_is_not_found(self, cloud: Cloud) -> None:
        credential_id, _ = self._make(cloud)
        with pytest.raises(errors.NotFound):
            cloud.identity.application_credentials.delete(cloud.ids.users["admin"], credential_id)

    def test_names_are_unique_for_a_user(self, cloud: Cloud) -> None:
        self._make(cloud)
        with pytest.raises(errors.Conflict):
            self._make(cloud)


@pytest.mark.parametrize("seed", range(3))
def test_logging_in_works_in_the_simulation(tmp_path: Path, seed: int) -> None:
    def story() -> tuple[str, ...]:
        cloud = make_cloud(tmp_path)
        token, _ = cloud.login("demo", project="demo")
        concurrency.sleep(3599)
        good = cloud.identity.sessions.validate(token).role_names
        concurrency.sleep(1)
        with pytest.raises(errors.Unauthorized):
            cloud.identity.sessions.validate(token)
        cloud.identity.database.dispose()
        return good

    simulation = Simulation(seed)
    with concurrency.using(simulation):
        assert simulation.run(story, limit=10000) == ("member", "reader")
