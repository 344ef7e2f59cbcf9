# SPDX-License-Identifier: Apache-2.0
"""The Identity API over a bootstrapped auth manager, called in process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webob

from nova.api.identity.front import make_front
from nova.policy import Policy
from nova.policy.identity import RULES
from nova.web.front import Front
from nova.web.urlmap import URLMap
from tests.unit.identity.build import Cloud, make_cloud


@dataclasses.dataclass
class Api:
    """``call`` answers with the status and the body; the last whole response is in ``last``."""

    cloud: Cloud
    front: Front
    app: URLMap
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)
    last: webob.Response = None

    def call(self, method: str, path: str, body: Any = None, *, who: str | None = "admin",
             **headers: str) -> tuple[int, Any]:
        request = webob.Request.blank(f"/identity{path}", method=method, base_url="http://cloud.example.org:8774")
        if who is not None:
            request.headers["X-Auth-Token"] = self.token(who)
        request.headers.update({k.replace("_", "-"): v for k, v in headers.items()})
        if isinstance(body, bytes):
            request.body, request.content_type = body, "application/json"
        elif body is not None:
            request.json, request.content_type = body, "application/json"
        self.last = request.get_response(self.app)
        return self.last.status_int, self.last.json if self.last.body else None

    def token(self, who: str) -> str:
        """A token of ``admin`` or ``demo`` in its project, ``system``, or the token itself."""
        if who not in self.tokens:
            if who == "system":
                self.tokens[who] = self.cloud.login("admin", kind="system")[0]
            elif who in ("admin", "demo"):
                self.tokens[who] = self.cloud.login(who, project=who)[0]
            else:
                return who
        return self.tokens[who]


def make_api(directory: Path, url: str | None = None) -> Api:
    cloud = make_cloud(directory, url)
    front = make_front(cloud.identity, Policy(rules=RULES))
    return Api(cloud, front, URLMap({"/identity": front}))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = make_api(tmp_path)
    yield api
    api.cloud.identity.database.dispose()
