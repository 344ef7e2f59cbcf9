# SPDX-License-Identifier: Apache-2.0
"""The auth manager as a whole: one object that holds the nouns, the tokens and the way to log in.

    identity = Identity(database, conf, served=[Served("compute", "nova", "/compute/v2.1")])
    token_id, session = identity.authentication.authenticate([PasswordProof(Name(id=user), "secret")], ScopeWish())
    identity.sessions.validate(token_id).role_names
"""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg

from nova import concurrency
from nova.db.api import identity_credentials
from nova.db.engine import Database
from nova.identity.application_credentials import ApplicationCredentials
from nova.identity.assignments import Assignments
from nova.identity.authentication import Authentication
from nova.identity.catalog import Catalog, Served
from nova.identity.domains import Domains
from nova.identity.keys import KeyRepository
from nova.identity.lockout import Lockout
from nova.identity.models import Token
from nova.identity.passwords import Hasher
from nova.identity.projects import Projects
from nova.identity.roles import Roles
from nova.identity.sessions import Sessions
from nova.identity.tokens import TokenCodec
from nova.identity.users import Groups, Users


class Identity:
    """Needs section ``[identity]`` registered in ``conf``. Makes the first token keys when there are none."""

    def __init__(self, database: Database, conf: cfg.ConfigOpts, served: Sequence[Served] = ()) -> None:
        options = conf.identity
        self.database = database
        self.options = options
        self.keys = KeyRepository(options.fernet_key_repository, options.fernet_max_active_keys)
        self.keys.ensure()
        codec = TokenCodec(self.keys)
        self.sessions = Sessions(database, codec, options.cache_time, options.cache_size)
        changed, hasher = self.sessions.forget, Hasher(options.password_hash_cost)
        self.domains = Domains(database, changed)
        self.projects = Projects(database, changed)
        self.users = Users(database, changed, hasher)
        self.groups = Groups(database, changed)
        self.roles = Roles(database, changed)
        self.assignments = Assignments(database, changed)
        self.application_credentials = ApplicationCredentials(database, changed, hasher)
        self.catalog = Catalog(database, changed, served, options.region)
        self.lockout = Lockout(options.lockout_failure_attempts, options.lockout_total_attempts,
                               options.lockout_duration)
        self.authentication = Authentication(database, self.sessions, codec, self.lockout, hasher,
                                             expiration=options.token_expiration)

    def revoke(self, token: Token) -> None:
        """Make a token void before its time; forget those that have expired meanwhile."""
        window = self.options.allow_expired_window
        with self.database.write() as conn:
            identity_credentials.revoke(conn, token.audit_ids[0], token.expires_at + window)
            identity_credentials.prune(conn, concurrency.time())
        self.sessions.forget()

    def change_password(self, user_id: str, original: str, password: str, address: str = "") -> None:
        """A user's own change of password; wrong guesses count towards the lockout."""
        with self.authentication.guard(user_id, address):
            self.users.change_password(user_id, original, password)
