# SPDX-License-Identifier: Apache-2.0
"""schemathesis reads /openapi.json and asks what it describes and what it forbids: every answer is a documented one."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.api.compute.conftest import Api
from tests.api.compute.world import World
from tests.fuzz.conftest import LONG, PATIENCE

pytestmark = pytest.mark.timeout(PATIENCE)
#: No 500 is documented, so that the first of them finds every one.
CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
EXAMPLES = 40 if LONG else 2
#: A stream does not end; it has tests of its own.
ENDLESS = ("/servers/events",)
#: Texts that the formats of our schemas accept; the standard ones schemathesis knows.
FORMATS = {
    "name": strategies.text("abcXYZ 0_-.", min_size=1, max_size=40).map(str.strip).filter(bool),
    "ip": strategies.ip_addresses().map(str), "base64": strategies.sampled_from(["", "YWJj", "////"]),
    "cidr": strategies.sampled_from(["10.0.0.0/8", "fd00::/8"]), "date-time": strategies.datetimes().map(str)}


@pytest.fixture(scope="module", autouse=True)
def formats() -> None:
    for name, strategy in FORMATS.items():
        schemathesis.openapi.format(name, strategy)


@pytest.fixture
def world(api: Api) -> Iterator[World]:
    made = World(api)
    yield made
    made.close()


class Run:
    """Asks one document's operations and keeps what was wrong."""

    def __init__(self, api: Api, world: World, version: str, seed: int) -> None:
        self.world, self.who, self._seed = world, "admin", seed

        def application(environ: dict[str, Any], start_response: Any) -> Any:
            """Tokens are not what is to be guessed, and the document is that of one microversion."""
            environ |= {"HTTP_X_AUTH_TOKEN": self.who, "HTTP_OPENSTACK_API_VERSION": f"compute {version}"}
            return api.app(environ, start_response)

        self.schema = schemathesis.openapi.from_wsgi(f"/openapi.json?microversion={version}", application)
        self.statuses: collections.Counter[int] = collections.Counter()
        self.failures: list[str] = []

    def operations(self) -> Iterator[Any]:
        for result in self.schema.get_all_operations():
            operation = result.ok()
            if operation.path not in ENDLESS:
                yield operation

    def ask(self, operation: Any, mode: GenerationMode) -> None:
        @hypothesis.seed(self._seed)
        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, report_multiple_bugs=False,
                             suppress_health_check=list(hypothesis.HealthCheck),
                             phases=[hypothesis.Phase.generate])
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode), real=strategies.booleans(),
                          who=strategies.sampled_from(["admin", "demo", "other"]))
        def one(case: Any, real: bool, who: str) -> None:
            if real:
                case.path_parameters.update(self.world.variables(operation.path))
            self.who = who
            response = case.call()
            self.statuses[response.status_code] += 1
            try:
                case.validate_response(response, checks=CHECKS)
            except (Failure, FailureGroup) as e:
                self.failures.append(f"{operation.label} by {who}: {response.status_code} {e}")

        try:
            one()
        except hypothesis.errors.Unsatisfiable:
            self.statuses[0] += 1  # nothing forbidden can be made of this operation
        self.world.restore()


@pytest.mark.parametrize("version", ["2.104", "2.1"])
def test_every_answer_is_documented(api: Api, world: World, version: str, seed: int,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    run, began, operations = Run(api, world, version, seed), time.monotonic(), 0
    for operation in run.operations():
        operations += 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            run.ask(operation, mode)
    asked = sum(n for status, n in run.statuses.items() if status)
    with capsys.disabled():
        told = ", ".join(f"{n} × {status}" for status, n in sorted(run.statuses.items()) if status)
        print(f" schemathesis at {version}: {operations} operations, {asked} requests in "
              f"{time.monotonic() - began:.0f} s, {len(run.failures)} failures: {told}")
    assert not run.failures, "\n\n".join(run.failures[:20])
