# SPDX-License-Identifier: Apache-2.0
"""An auth manager over a database of its own, bootstrapped, with cheap hashes; what the identity tests start from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from oslo_config import cfg

import nova.conf.identity
from nova.db.api import metadata
from nova.db.engine import Database
from nova.identity.authentication import Name, PasswordProof, ScopeWish
from nova.identity.bootstrap import Bootstrapped, bootstrap
from nova.identity.catalog import Served
from nova.identity.manager import Identity
from nova.identity.models import Session

SERVED = (Served("identity", "keystone", "/identity/v3"), Served("compute", "nova", "/compute/v2.1"),
          Served("image", "glance", "/image"))
COST = 4


@dataclasses.dataclass
class Cloud:
    identity: Identity
    ids: Bootstrapped
    conf: cfg.ConfigOpts

    def login(self, user: str = "admin", password: str = "", *, project: str | None = None, **wish: Any,
              ) -> tuple[str, Session]:
        scope = ScopeWish("project", Name(id=self.ids.projects[project])) if project else ScopeWish(**wish)
        proof = PasswordProof(Name(name=user, domain_id="default"), password or f"{user}-secret")
        return self.identity.authentication.authenticate([proof], scope, "192.0.2.1")


def make_cloud(directory: Path, url: str | None = None, **options: Any) -> Cloud:
    database = Database(url or f"sqlite:///{directory}/api.sqlite", synchronous="OFF")
    tables = [t for t in metadata.sorted_tables if t.name.startswith("identity_")]
    metadata.create_all(database.engine, tables=tables)
    conf = cfg.ConfigOpts()
    nova.conf.identity.register(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    defaults = {"fernet_key_repository": str(directory / "keys"), "password_hash_cost": COST}
    for name, value in (defaults | options).items():
        conf.set_override(name, value, group="identity")
    identity = Identity(database, conf, SERVED)
    return Cloud(identity, bootstrap(database, "admin-secret", "demo-secret", hash_cost=COST), conf)
