# SPDX-License-Identifier: Apache-2.0
"""Every operation × every persona: who is let in follows from a table of facts, not from our rules.

``personas.tsv`` says for each operation the least role that the reference implementation lets in. The resources belong
to the project ``demo``; whoever is refused must have changed nothing, and somebody else's resource is not there.
"""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova import errors
from nova.api.compute import application, versions
from nova.context import RequestContext
from nova.web.routing import Route
from nova.web.versions import Version
from tests.api.compute.conftest import PROJECTS, Api
from tests.api.compute.test_operations import Key, shape
from tests.api.compute.world import World, earliest, latest

DEMO, ELSEWHERE = PROJECTS["demo"], PROJECTS["other"]


def _persona(role: str, project: str | None = DEMO, **more: Any) -> RequestContext:
    return RequestContext(user_id=f"u-{role}", project_id=project, roles=(role,), is_admin=role == "admin", **more)


#: Those who are refused most come first. The key pair is the user's who is ``member`` here.
PERSONAS: dict[str, RequestContext | None] = {
    "nobody": None, "forger": None, "stranger": _persona("odd"), "system": _persona("admin", None, system_scope="all"),
    "other": _persona("manager", ELSEWHERE), "service": _persona("service", PROJECTS["service"]),
    "reader": _persona("reader"), "member": dataclasses.replace(_persona("member"), user_id="u-demo"),
    "manager": _persona("manager"), "admin": _persona("admin", PROJECTS["admin"])}
_RANK = {"stranger": 0, "reader": 1, "member": 2, "manager": 3}

#: Operations on which we differ from the table's roles, with the reason.
OTHER_ROLES: dict[Key, tuple[str, str]] = {
    ("GET", "/flavors/detail", ""): ("any", "the role is asked for extra specs in the answer only"),
    ("GET", "/flavors/{}", ""): ("any", "the role is asked for extra specs in the answer only")}
#: Since a microversion, whoever owns the server may do a part of what services may.
SINCE: dict[Key, tuple[tuple[int, int], str]] = {
    ("PUT", "/servers/{}/os-volume_attachments/{}", ""): ((2, 85), "member")}
#: Operations of our own: the table cannot know them.
OWN: dict[Key, str] = {("POST", "/os-placement-explain", ""): "member", ("GET", "/servers/events", ""): "reader",
                       ("GET", "/os-host-drains", ""): "admin", ("POST", "/os-host-drains", ""): "admin",
                       ("GET", "/os-host-drains/{}", ""): "admin", ("DELETE", "/os-host-drains/{}", ""): "admin"}
#: Open to whoever has a token, without a rule; all other operations want a token of a project.
UNRULED = ("/flavors", "/images")
#: What belongs to the cloud or to the project in the path: a stranger is told that he may not.
OF_ALL = ("/os-quota-sets/", "/os-simple-tenant-usage/", "/os-networks/", "/os-tenant-networks/", "/flavors/",
          "/images/", "/os-volumes/", "/os-snapshots/", "/extensions/", "/versions/",
          "/os-assisted-volume-snapshots/")
FOREIGN_403 = ("/os-quota-sets/{}", "/os-quota-sets/{}/detail", "/os-simple-tenant-usage/{}")


def roles() -> dict[Key, str]:
    with Path(__file__).with_name("personas.tsv").open(newline="") as file:
        found = {(row["method"], shape(row["path"]), row["action"]): row["who"]
                 for row in csv.DictReader(file, delimiter="\t")}
    return found | {key: who for key, (who, _) in OTHER_ROLES.items()} | OWN


def expected(key: Key, who: str, persona: str) -> str:
    """``in``, or the status of the refusal."""
    _, path, _ = key
    if who == "public":
        return "in"
    if persona in ("nobody", "forger"):
        return "401"
    if who == "gone":
        return "410"
    if persona == "system":
        return "in" if who == "any" and path.startswith(UNRULED) else "403"
    if who == "any":
        return "in"
    if who == "owner-user":
        return "in" if "{}" not in path or persona == "member" else "404"
    if persona == "admin":
        return "in"
    if who == "service" or persona == "service":
        return "in" if who == persona else "403"
    if who == "admin" or _RANK.get(persona, 3) < _RANK[who]:
        return "403"
    if persona == "other" and path in FOREIGN_403:
        return "403"
    if persona == "other" and (path == "/os-security-group-rules" or "{}" in path and not path.startswith(OF_ALL)):
        return "404"
    return "in"


def authenticate(environ: dict[str, Any]) -> RequestContext:
    found = PERSONAS.get(environ.get("HTTP_X_AUTH_TOKEN", ""))
    if found is None:
        raise errors.Unauthorized()
    return dataclasses.replace(found)


@pytest.fixture
def world(api: Api) -> Iterator[World]:
    made = World(api)
    yield made
    made.close()


def routes(api: Api) -> list[Route]:
    return [*versions.ROUTES, *(route for resource in application.resources(api.deps) for route in resource.routes)]


def key_of(route: Route) -> Key:
    return route.method, shape(route.path), route.action or ""


def test_the_table_knows_every_route(api: Api) -> None:
    assert {key_of(route) for route in routes(api)} - set(roles()) == set()


@pytest.mark.parametrize("at", [latest, earliest], ids=["newest", "oldest"])
def test_every_route_for_every_persona(api: Api, world: World, at: Callable[[Route], Version],
                                       capsys: pytest.CaptureFixture[str]) -> None:
    ask = dataclasses.replace(api, app=application.build(dataclasses.replace(api.deps, authenticator=authenticate)))
    table, counted, wrong = roles(), Counter[str](), []
    for route in routes(api):
        if (key := key_of(route)) in OWN and route.success == 200 and route.path.endswith("/events"):
            continue  # a stream does not end; its own tests ask who may open it
        version = at(route)
        path, body = world.path(route, version), world.body(route, version)
        since, who = SINCE.get(key, ((9, 9), ""))
        who = who if version >= since else table[key]
        for persona in PERSONAS:
            before = world.stamp()
            answer = ask(route.method, path, body, who=None if persona == "nobody" else persona, version=str(version))
            outcome, changed = expected(key, who, persona), world.stamp() != before
            counted[outcome] += 1
            told = (route.template, persona, outcome, answer.status, changed)
            if outcome != "in" and (str(answer.status) != outcome or changed):
                wrong.append(told)
            if outcome == "in" and answer.status in (401, 403, 500):
                wrong.append(told)
            if changed:
                world.restore()
    with capsys.disabled():
        asked = len({key_of(route) for route in routes(api)})
        print(f" {asked} operations × {len(PERSONAS)} personas = {sum(counted.values())} requests at the {at.__name__} "
              f"microversion: {counted['in']} let in, "
              + ", ".join(f"{n} × {code}" for code, n in sorted(counted.items()) if code != "in"), end="")
    assert not wrong, "\n".join(map(str, wrong))
