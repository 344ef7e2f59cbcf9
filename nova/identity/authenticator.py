# SPDX-License-Identifier: Apache-2.0
"""From the headers of a request to who asks: by our own tokens, or by a Keystone through its middleware.

An authenticator is called with the WSGI environ and gives a context or raises Unauthorized. Only ``X-Auth-Token`` and
``X-Service-Token`` are believed; headers that name a user are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from oslo_config import cfg

from nova import errors
from nova.context import RequestContext
from nova.identity.application_credentials import allowed
from nova.identity.manager import Identity
from nova.identity.models import ApplicationCredential, Session

Environ = MutableMapping[str, Any]
Authenticator = Callable[[Environ], RequestContext]
_CONTEXT = "nova.keystone_context"


def session_context(session: Session) -> RequestContext:
    """The context of whoever holds the token of ``session``."""
    place, kind, roles = session.place, session.token.scope.kind, session.role_names
    project = place if place is not None and kind == "project" else None
    return RequestContext(
        user_id=session.user.id, project_id=project.id if project else None, roles=roles, is_admin="admin" in roles,
        user_name=session.user.name, project_name=project.name if project else None,
        user_domain_id=session.user.domain_id, project_domain_id=project.domain_id if project else None,
        system_scope="all" if kind == "system" else None)


class TokenAuthenticator:
    """Checks our own tokens. The session is left in ``environ["nova.session"]`` for fronts that need more of it.

    ``service_type`` is what access rules of application credentials call the front; without it the first part of the
    path under which the front is mounted counts.
    """

    def __init__(self, identity: Identity, service_type: str | None = None) -> None:
        self._sessions = identity.sessions
        self._window = identity.options.allow_expired_window
        self._service_type = service_type

    def __call__(self, environ: Environ) -> RequestContext:
        token = environ.get("HTTP_X_AUTH_TOKEN")
        if not token:
            raise errors.Unauthorized()
        by_service = "HTTP_X_SERVICE_TOKEN" in environ and self._is_service(environ["HTTP_X_SERVICE_TOKEN"])
        session = self._sessions.validate(token, self._window if by_service else 0)
        if session.credential is not None and session.credential.access_rules is not None and not by_service:
            self._check_rules(session.credential, environ)
        environ["nova.session"] = session
        return session_context(session)

    def _is_service(self, token: str) -> bool:
        """A service may go on with a user's token that expired meanwhile, and do what the rules of an application
        credential do not name; a bad service token is refused.
        """
        return "service" in self._sessions.validate(token).role_names

    def _check_rules(self, credential: ApplicationCredential, environ: Environ) -> None:
        mount, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        service = self._service_type or mount.strip("/").partition("/")[0]
        below = mount.removeprefix(f"/{service}") + path
        if not allowed(credential, service, environ.get("REQUEST_METHOD", ""), [path, below, mount + path]):
            raise errors.Unauthorized()


class KeystoneAuthenticator:
    """Asks a Keystone, as section ``[keystone_authtoken]`` says, through keystonemiddleware and its cache."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        try:
            from keystonemiddleware import auth_token
        except ImportError as e:
            raise errors.ConfigError("[identity] auth_strategy = keystone needs the package keystonemiddleware; "
                                     "install nova-controller[keystone], or set auth_strategy = identity") from e
        self._protocol = auth_token.AuthProtocol(_confirmed, {"oslo_config_config": conf})

    def __call__(self, environ: Environ) -> RequestContext:
        status: list[str] = []
        environ.pop(_CONTEXT, None)
        self._protocol(environ, lambda line, headers, exc_info=None: status.append(line))
        context = environ.pop(_CONTEXT, None)
        if isinstance(context, RequestContext):
            return context
        if status and status[0].startswith("503"):
            raise errors.Unavailable("The identity service is not reachable now.", retry_after=5)
        raise errors.Unauthorized()


def _confirmed(environ: Environ, start_response: Any) -> list[bytes]:
    """What the middleware lets requests through to: it only takes down who asks."""
    environ[_CONTEXT] = keystone_context(environ)
    start_response("204 No Content", [])
    return []


def keystone_context(environ: Environ) -> RequestContext:
    """The context of the headers that keystonemiddleware has set, after it removed those of the client."""
    if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
        raise errors.Unauthorized()
    roles = tuple(r.strip() for r in environ.get("HTTP_X_ROLES", "").split(",") if r.strip())
    return RequestContext(
        user_id=environ.get("HTTP_X_USER_ID"), project_id=environ.get("HTTP_X_PROJECT_ID"), roles=roles,
        is_admin="admin" in roles, user_name=environ.get("HTTP_X_USER_NAME"),
        project_name=environ.get("HTTP_X_PROJECT_NAME"), user_domain_id=environ.get("HTTP_X_USER_DOMAIN_ID"),
        project_domain_id=environ.get("HTTP_X_PROJECT_DOMAIN_ID"),
        system_scope=environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE"))


def make_authenticator(conf: cfg.ConfigOpts, identity: Identity | None) -> Authenticator:
    """The authenticator that ``[identity] auth_strategy`` names."""
    if conf.identity.auth_strategy == "keystone":
        return KeystoneAuthenticator(conf)
    if identity is None:
        raise errors.ConfigError("[identity] auth_strategy = identity needs the API database; set [api_database] "
                                 "connection, or auth_strategy = keystone")
    return TokenAuthenticator(identity)
