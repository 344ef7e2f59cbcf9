# SPDX-License-Identifier: Apache-2.0
"""From the headers of a request to a context."""

from __future__ import annotations

from typing import Any

import pytest

from nova import concurrency, errors
from nova.identity.authentication import CredentialProof, ScopeWish
from nova.identity.authenticator import TokenAuthenticator, keystone_context, make_authenticator
from nova.identity.bootstrap import bootstrap
from nova.identity.cache import Cache
from tests.unit.identity.build import COST, Cloud
from tests.unit.identity.test_tokens import Clock


def _environ(token: str, **more: Any) -> dict[str, Any]:
    return {"HTTP_X_AUTH_TOKEN": token, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/compute",
            "PATH_INFO": "/v2.1/servers", **more}


def test_a_token_says_who_asks_whatever_other_headers_claim(cloud: Cloud) -> None:
    authenticate = TokenAuthenticator(cloud.identity)
    token, _ = cloud.login("demo", project="demo")
    found = authenticate(_environ(token, HTTP_X_ROLES="admin", HTTP_X_USER_ID="x", HTTP_X_PROJECT_ID="x"))
    assert (found.user_id, found.project_id) == (cloud.ids.users["demo"], cloud.ids.projects["demo"])
    assert found.roles == ("member", "reader") and not found.is_admin
    assert (found.user_name, found.project_name, found.user_domain_id) == ("demo", "demo", "default")
    assert found.system_scope is None
    first, second = authenticate(_environ(token)), authenticate(_environ(token))
    assert first.request_id != second.request_id


def test_scopes_in_the_context(cloud: Cloud) -> None:
    authenticate = make_authenticator(cloud.conf, cloud.identity)
    system = authenticate(_environ(cloud.login(kind="system")[0]))
    assert system.system_scope == "all" and system.project_id is None and system.is_admin
    unscoped = authenticate(_environ(cloud.login()[0]))
    assert unscoped.project_id is None and unscoped.roles == () and not unscoped.is_admin


@pytest.mark.parametrize("token", [None, "", "nonsense", "é", "x" * 100000])
def test_no_or_a_bad_token_is_refused(cloud: Cloud, token: str | None) -> None:
    environ = _environ(token or "")
    if token is None:
        del environ["HTTP_X_AUTH_TOKEN"]
    with pytest.raises(errors.Unauthorized):
        TokenAuthenticator(cloud.identity)(environ)


def test_a_service_may_go_on_with_an_expired_token(cloud: Cloud) -> None:
    bootstrap(cloud.identity.database, "", "", service_password="robot", hash_cost=COST)
    authenticate, clock = TokenAuthenticator(cloud.identity), Clock()
    with concurrency.using(clock):  # type: ignore[arg-type]
        user, _ = cloud.login("demo", project="demo")
        clock.ahead = 4000
        service, _ = cloud.login("nova", "robot", project="service")
        other, _ = cloud.login("admin", project="admin")
        assert authenticate(_environ(user, HTTP_X_SERVICE_TOKEN=service)).user_name == "demo"
        for bad in (other, "nonsense"):
            with pytest.raises(errors.Unauthorized):
                authenticate(_environ(user, HTTP_X_SERVICE_TOKEN=bad))
        with pytest.raises(errors.Unauthorized):
            authenticate(_environ(user))


@pytest.mark.parametrize("path,rule,service,method,passes", [
    ("/v2.1/servers", "/v2.1/servers", "compute", "GET", True),
    ("/v2.1/servers", "/compute/v2.1/servers", "compute", "GET", True),
    ("/v2.1/servers", "/v2.1/servers", "image", "GET", False),
    ("/v2.1/servers", "/v2.1/servers", "compute", "POST", False),
    ("/v2.1/servers/1", "/v2.1/servers", "compute", "GET", False),
    ("/v2.1/servers/1", "/v2.1/servers/*", "compute", "GET", True),
    ("/v2.1/servers/1", "/v2.1/servers/{server_id}", "compute", "GET", True),
    ("/v2.1/servers/1/ips", "/v2.1/servers/*", "compute", "GET", False),
    ("/v2.1/servers/1/ips", "/v2.1/**", "compute", "GET", True),
    ("/v2x1/servers", "/v2.1/servers", "compute", "GET", False),
])
def test_access_rules_hold(cloud: Cloud, path: str, rule: str, service: str, method: str, passes: bool) -> None:
    made, secret = cloud.identity.application_credentials.create(
        cloud.ids.users["demo"], cloud.ids.projects["demo"], "r", [cloud.ids.roles["member"]],
        access_rules=[{"service": service, "path": rule, "method": method}])
    token, _ = cloud.identity.authentication.authenticate([CredentialProof(secret, id=made.id)], ScopeWish())
    environ = _environ(token, PATH_INFO=path)
    if passes:
        assert TokenAuthenticator(cloud.identity)(environ).user_name == "demo"
    else:
        with pytest.raises(errors.Unauthorized):
            TokenAuthenticator(cloud.identity)(environ)


def test_an_empty_list_of_rules_is_none(cloud: Cloud) -> None:
    made, _ = cloud.identity.application_credentials.create(
        cloud.ids.users["demo"], cloud.ids.projects["demo"], "r", [cloud.ids.roles["member"]], access_rules=[])
    assert made.access_rules is None


def test_only_what_keystonemiddleware_confirmed_is_believed() -> None:
    headers = {"HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_USER_ID": "u", "HTTP_X_PROJECT_ID": "p",
               "HTTP_X_ROLES": "admin, member"}
    found = keystone_context(headers)
    assert (found.user_id, found.project_id, found.roles, found.is_admin) == ("u", "p", ("admin", "member"), True)
    with pytest.raises(errors.Unauthorized):
        keystone_context(headers | {"HTTP_X_IDENTITY_STATUS": "Invalid"})


def test_the_database_is_needed_for_our_own_strategy(cloud: Cloud) -> None:
    with pytest.raises(errors.ConfigError, match="auth_strategy"):
        make_authenticator(cloud.conf, None)


def test_the_cache_is_bounded_expires_and_keeps_nothing_from_before_a_clearing() -> None:
    clock = Clock()
    with concurrency.using(clock):  # type: ignore[arg-type]
        cache: Cache[int, str] = Cache(5, 3)
        for key in range(5):
            cache.put(key, str(key), cache.epoch)
        assert len(cache) == 3 and cache.get(1) is None and cache.get(4) == "4"
        clock.ahead = 5.1
        assert cache.get(4) is None
        before = cache.epoch
        cache.clear()
        cache.put(1, "old", before)
        assert cache.get(1) is None
