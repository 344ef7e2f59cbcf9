# SPDX-License-Identifier: Apache-2.0
"""Makes the recorded requests again, in their order, against our cloud, and tells what is answered differently."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.api.wire.cloud import Cloud
from tests.api.wire.shapes import differences

HERE = Path(__file__).parent
#: What all answers have but for those that say otherwise.
HEADERS = frozenset({"content-type", "openstack-api-version", "vary", "x-openstack-nova-api-version",
                     "x-compute-request-id", "x-openstack-request-id"})
#: Headers that HTTP servers add as they like.
_ANY = frozenset({"content-length", "connection", "date", "server", "transfer-encoding"})
#: What later requests name: exchange → placeholder and where its answer has it.
_LEARNT = {
    "server-create": ("server", ("server", "id")), "server-create-as-member": ("foreign", ("server", "id")),
    "server-create-no-valid-host": ("hopeless", ("server", "id")),
    "server-group-create": ("group", ("server_group", "id")), "aggregate-create": ("aggregate", ("aggregate", "id")),
    "instance-actions": ("request", ("instanceActions", 0, "request_id")),
    "interfaces": ("port", ("interfaceAttachments", 0, "port_id")), "networks": ("network", ("networks", 0, "id")),
    "floating-ip-pools": ("pool", ("floating_ip_pools", 0, "name")),
    "floating-ip-create": ("floating_ip", ("floating_ip", "id")),
    "security-group-create": ("security_group", ("security_group", "id")),
}
#: Exchanges that must not wait until servers are at rest.
_AT_ONCE = frozenset({"server-show-building", "server-show-deleting"})


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One line of ``exchanges.jsonl`` or ``samples.jsonl``. ``shape`` None: an empty body."""

    version: str
    name: str
    method: str
    path: str
    status: int
    who: str | None = None
    headers: dict[str, str] | None = None
    body: Any = None
    shape: Any = None
    more_headers: tuple[str, ...] = ()
    fewer_headers: tuple[str, ...] = ()

    @property
    def header_names(self) -> frozenset[str]:
        names = HEADERS | {name.lower() for name in self.more_headers}
        return names - {name.lower() for name in self.fewer_headers}


def load(name: str) -> list[Exchange]:
    """``2.1`` and ``2.104`` are the recorded sessions, ``samples`` is made of samples of many microversions."""
    file = HERE / ("samples.jsonl" if name == "samples" else "exchanges.jsonl")
    lines = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return [Exchange(**line) for line in lines if name in ("samples", line["version"])]


class Replay:
    def __init__(self, cloud: Cloud, newest: bool) -> None:
        self._cloud = cloud
        self._known = self._prepare("2.104" if newest else "2.1")
        self._restless = True
        self._confirmed = False

    def _prepare(self, version: str) -> dict[str, str]:
        """What was there before the recording: a user with little quota, a flavor that no host can hold."""
        cloud = self._cloud
        quotas = {cloud.add_user("tiny"): {"instances": 1, "metadata_items": 5}, cloud.users["admin"]: {"ram": -1}}
        for user, limits in quotas.items():
            cloud.ask("PUT", f"compute/v2.1/os-quota-sets/{user.project_id}", {"quota_set": limits})
        cloud.ask("POST", "compute/v2.1/flavors", {"flavor": {
            "name": "huge", "id": "huge", "ram": 999999999, "vcpus": 1, "disk": 1}})
        [image] = cloud.ask("GET", "image/v2/images")["images"]
        services = cloud.ask("GET", "compute/v2.1/os-services?binary=nova-compute")["services"]
        hypervisors = cloud.ask("GET", "compute/v2.1/os-hypervisors", version=version)["hypervisors"]
        return {"image": image["id"], "huge": "huge", "prefix": "wire", "host": services[0]["host"],
                "service": services[0]["id"], "hypervisor": str(hypervisors[0]["id"]),
                "nobody": "6ab7ad70-8f7e-4686-9198-6d6865edbd86",
                **{f"{name}_user": user.user_id for name, user in cloud.users.items()},
                **{f"{name}_project": user.project_id for name, user in cloud.users.items()}}

    def differences(self, exchange: Exchange) -> Iterator[str]:
        """What our answer has that the recorded one does not, and the other way round."""
        answer = self._send(exchange)
        if answer.status_code != exchange.status:
            yield f"status {answer.status_code}, not {exchange.status}: {answer.text[:200]}"
            return
        names = {name.lower() for name in answer.headers} - _ANY
        if not answer.content:
            names.add("content-type")  # nobody reads it
        yield from (f"header {name} is missing" for name in sorted(exchange.header_names - names))
        yield from (f"header {name} is new" for name in sorted(names - exchange.header_names))
        if exchange.shape is None:
            if answer.content and exchange.method != "HEAD":
                yield f"a body: {answer.text[:200]}"
            return
        body = answer.json() if answer.content else None
        yield from differences(exchange.shape, body)
        self._learn(exchange, body)

    def _send(self, exchange: Exchange) -> httpx.Response:
        if self._restless and exchange.name not in _AT_ONCE:
            self._cloud.eventually(self._at_rest, f"servers at rest before {exchange.name}")
            self._restless = False
        headers = {"OpenStack-API-Version": f"compute {exchange.version}"} if exchange.headers is None \
            else dict(exchange.headers)
        if exchange.who is not None:
            user = self._cloud.users.get(exchange.who)
            headers["X-Auth-Token"] = user.token if user else exchange.who
        content = self._content(exchange)
        if content is not None:
            headers.setdefault("Content-Type", "application/json")
        if exchange.method != "GET" and "/servers" in exchange.path:
            self._restless = True
            self._confirmed = exchange.name == "action-confirm-resize"
        root = "compute" if exchange.path.startswith(("/v2", "/?")) or exchange.path == "/" else "compute/v2.1"
        return self._cloud.http.request(exchange.method, f"{self._cloud.base}/{root}{self._filled(exchange.path)}",
                                        content=content, headers=headers)

    def _content(self, exchange: Exchange) -> bytes | None:
        if exchange.body is None:
            return None
        if isinstance(exchange.body, dict) and set(exchange.body) == {"huge"}:
            return b"x" * int(exchange.body["huge"])
        return self._filled(exchange.body if isinstance(exchange.body, str) else json.dumps(exchange.body)).encode()

    def _filled(self, text: str) -> str:
        for name, value in self._known.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _learn(self, exchange: Exchange, body: Any) -> None:
        if exchange.name in _LEARNT:
            name, path = _LEARNT[exchange.name]
            for step in path:
                body = body[step]
            self._known[name] = str(body)

    def _at_rest(self) -> bool:
        servers = self._cloud.ask("GET", "compute/v2.1/servers/detail?all_tenants=1")["servers"]
        return all(s["status"] != "BUILD" and s["OS-EXT-STS:task_state"] is None
                   and not (self._confirmed and s["status"] == "VERIFY_RESIZE") for s in servers)
