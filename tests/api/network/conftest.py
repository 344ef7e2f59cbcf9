# SPDX-License-Identifier: Apache-2.0
"""The Networking API beside the Compute API, over the same databases, called without a socket."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from nova.api.network.front import make_front
from nova.policy import Policy, network
from tests.api.compute.conftest import Answer, Api, api, authenticate

__all__ = ["api"]


@dataclasses.dataclass
class Net:
    """A client of the Networking API; ``api`` is one of the Compute API of the same cloud."""

    api: Api
    front: Any

    def __call__(self, method: str, path: str, body: Any = None, *, who: str | None = "demo") -> Answer:
        compute, self.api.app = self.api.app, self.front
        try:
            return self.api(method, path, body, who=who, prefix="/v2.0")
        finally:
            self.api.app = compute

    def make(self, collection: str, name: str, /, who: str = "demo", **members: Any) -> dict[str, Any]:
        answer = self("POST", f"/{collection}", {name: members}, who=who)
        assert answer.status == 201, answer
        made: dict[str, Any] = answer.body[name]
        return made


@pytest.fixture
def net(api: Api) -> Net:
    front = make_front(api.conf, api.deps.operations.deps, authenticator=authenticate,
                       policy=Policy(rules=network.RULES))
    return Net(api, front)
