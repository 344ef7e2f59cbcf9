# SPDX-License-Identifier: Apache-2.0
"""Unmodified clients over real HTTP: the ``openstack`` command, and keystonemiddleware that takes us for a Keystone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova import errors
from nova.api.identity.front import make_front
from nova.conf import identity as identity_conf
from nova.identity.authenticator import make_authenticator
from nova.identity.bootstrap import bootstrap
from nova.policy import Policy
from nova.policy.identity import RULES
from nova.web.server import Server
from nova.web.urlmap import URLMap
from tests.unit.identity.build import COST, Cloud, make_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = make_cloud(Path(tmp_path_factory.mktemp("identity")))
    yield cloud
    cloud.identity.database.dispose()


@pytest.fixture(scope="module")
def url(cloud: Cloud) -> Iterator[str]:
    front = make_front(cloud.identity, Policy(rules=RULES))
    server = Server(URLMap({"/identity": front}), "127.0.0.1:0", threads=4)
    server.start()
    yield f"http://127.0.0.1:{server.port}/identity"
    server.stop()


class Client:
    """The ``openstack`` command as a user."""

    def __init__(self, url: str, **settings: str) -> None:
        self._env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        self._env |= {"OS_AUTH_URL": url, "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne", **settings}

    def __call__(self, *words: str) -> Any:
        """One command; its answer as data. Raises AssertionError, with what it said, when it fails."""
        done = self._run([*words, "-f", "json"])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: str) -> str:
        done = self._run(list(words))
        assert done.returncode != 0, done.stdout
        return done.stderr

    def all(self, *commands: str) -> list[Any]:
        """Several commands in one process, which starts slowly; the answers of those that answer in JSON."""
        done = self._run([], "\n".join(commands))
        assert not done.stderr, done.stderr
        answers, text = [], done.stdout
        while text := text.lstrip():
            answer, end = json.JSONDecoder().raw_decode(text)
            answers.append(answer)
            text = text[end:]
        return answers

    def _run(self, words: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("openstack")), *words]
        return subprocess.run(command, env=self._env, input=stdin, capture_output=True, text=True, timeout=120)


def _user(url: str, name: str, password: str, project: str) -> Client:
    return Client(url, OS_USERNAME=name, OS_PASSWORD=password, OS_PROJECT_NAME=project, OS_USER_DOMAIN_ID="default",
                  OS_PROJECT_DOMAIN_ID="default")


def test_the_openstack_command_administers_projects_and_users(cloud: Cloud, url: str) -> None:
    admin = _user(url, "admin", "admin-secret", "admin")
    project = admin("project", "create", "--description", 'x <&> "y" é', "--tag", "t", "--property", "k=v", "p1")
    assert project["description"] == 'x <&> "y" é' and project["k"] == "v" and project["tags"] == ["t"]
    user, listed = admin.all(
        "user create --project p1 --password first --email u@example.org u1 -f json",
        "role add --user u1 --project p1 member",
        "role assignment list --user u1 --names --effective -f json")
    assert user["default_project_id"] == project["id"] and user["email"] == "u@example.org"
    assert {(a["Role"], a["User"], a["Project"]) for a in listed} == {
        ("member", "u1@Default", "p1@Default"), ("reader", "u1@Default", "p1@Default")}

    own = _user(url, "u1", "first", "p1")
    assert "403" in own.refused("user", "list")
    token, credential = own.all(
        "token issue -f json", "application credential create --role reader --secret sesame robot -f json",
        "user password set --original-password first --password second")
    assert token["project_id"] == project["id"]
    assert "401" in own.refused("token", "issue")
    robot = Client(url, OS_AUTH_TYPE="v3applicationcredential", OS_APPLICATION_CREDENTIAL_ID=credential["ID"],
                   OS_APPLICATION_CREDENTIAL_SECRET="sesame")
    assert robot("token", "issue")["project_id"] == project["id"]

    left = admin.all("role remove --user u1 --project p1 member", "role assignment list --user u1 -f json",
                     "user delete u1", "project delete p1", "project list -f json")
    assert left[0] == [] and {p["Name"] for p in left[1]} == {"admin", "demo", "service"}
    assert "401" in robot.refused("token", "issue")


def test_the_openstack_command_makes_every_other_noun(url: str) -> None:
    domain, group, role, service, endpoint, endpoints, catalog, domains = _user(
        url, "admin", "admin-secret", "admin").all(
        "domain create d1 -f json", "group create --domain d1 g1 -f json", "role create r1 -f json",
        "service create --name meter metering -f json",
        "endpoint create --region RegionOne metering public http://meter -f json", "endpoint list -f json",
        "catalog list -f json", "service delete metering", "role delete r1", "domain set --disable d1",
        "domain delete d1", "domain list -f json")
    assert group["domain_id"] == domain["id"] and role["name"] == "r1"
    assert endpoint["service_id"] == service["id"]
    assert {e["Service Type"] for e in endpoints} == {"identity", "compute", "image", "metering"}
    # The catalogue is that of the token, which is older than the service.
    assert {"keystone", "nova", "glance"} <= {s["Name"] for s in catalog}
    assert [d["Name"] for d in domains] == ["Default"]


_KEYSTONE = """
[identity]
auth_strategy = keystone
[keystone_authtoken]
auth_type = password
auth_url = {url}
www_authenticate_uri = {url}
username = nova
password = robot
project_name = service
user_domain_id = default
project_domain_id = default
service_type = compute
interface = internal
http_request_max_retries = 0
"""


def _configured(directory: Path, url: str) -> cfg.ConfigOpts:
    (directory / "nova.conf").write_text(_KEYSTONE.format(url=url))
    conf = cfg.ConfigOpts()
    identity_conf.register(conf)
    conf(["--config-file", str(directory / "nova.conf")])
    return conf


def _environ(token: str, **more: str) -> dict[str, Any]:
    return {"HTTP_X_AUTH_TOKEN": token, "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/v2.1/servers",
            "SERVER_NAME": "here", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
            "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1", **more}


def test_a_keystone_can_say_who_asks(cloud: Cloud, url: str, tmp_path: Path) -> None:
    bootstrap(cloud.identity.database, "", "", service_password="robot", hash_cost=COST)
    authenticate = make_authenticator(_configured(tmp_path, url), None)
    token, _ = cloud.login("demo", project="demo")
    found = authenticate(_environ(token, HTTP_X_ROLES="admin", HTTP_X_USER_ID="forged"))
    assert (found.user_id, found.project_id) == (cloud.ids.users["demo"], cloud.ids.projects["demo"])
    assert set(found.roles) == {"member", "reader"} and not found.is_admin
    assert (found.user_name, found.project_name, found.project_domain_id) == ("demo", "demo", "default")
    system = authenticate(_environ(cloud.login("admin", kind="system")[0]))
    assert system.system_scope == "all" and system.is_admin
    for bad in ("nonsense", ""):
        with pytest.raises(errors.Unauthorized):
            authenticate(_environ(bad, HTTP_X_IDENTITY_STATUS="Confirmed", HTTP_X_USER_ID="forged"))


def test_a_keystone_that_is_away_is_said_so(cloud: Cloud, tmp_path: Path) -> None:
    authenticate = make_authenticator(_configured(tmp_path, "http://127.0.0.1:1/identity"), None)
    with pytest.raises(errors.Unavailable) as away:
        authenticate(_environ(cloud.login("demo", project="demo")[0]))
    assert away.value.details["retry_after"]
