# SPDX-License-Identifier: Apache-2.0
"""Who the benchmark is: clouds.yaml or OS_* variables, a token of the Identity API v3, and the endpoints it names."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from .wire import Connection


class AuthError(Exception):
    """The credentials are not complete or were not accepted."""


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What clients of the field know as a cloud. ``auth`` has the names of clouds.yaml, without ``os_``."""

    auth: Mapping[str, str]
    region: str | None = None
    interface: str = "public"
    verify: bool = True
    cacert: str | None = None


@dataclasses.dataclass(frozen=True)
class Session:
    """A token and where the services are."""

    token: str
    project_id: str
    compute: str
    image: str | None
    verify: bool = True
    cacert: str | None = None

    def connect(self, url: str, headers: Mapping[str, str] | None = None, timeout: float = 120.0) -> Connection:
        return Connection(url, {"X-Auth-Token": self.token, **(headers or {})}, timeout=timeout, verify=self.verify,
                          cacert=self.cacert)


_AUTH_VARIABLES = ("auth_url", "username", "user_id", "password", "token", "project_id", "project_name",
                   "user_domain_id", "user_domain_name", "project_domain_id", "project_domain_name",
                   "application_credential_id", "application_credential_secret")


def find(environ: Mapping[str, str], cloud: str | None = None, files: list[pathlib.Path] | None = None) -> Credentials:
    """The cloud named, else ``OS_CLOUD``, else ``OS_*``. clouds.yaml is looked for where clients look for it."""
    name = cloud or environ.get("OS_CLOUD")
    if name:
        return from_clouds(name, files if files is not None else clouds_files(environ))
    return from_environ(environ)


def clouds_files(environ: Mapping[str, str]) -> list[pathlib.Path]:
    if "OS_CLIENT_CONFIG_FILE" in environ:
        return [pathlib.Path(environ["OS_CLIENT_CONFIG_FILE"])]
    home = pathlib.Path(environ.get("HOME", "/"))
    return [d / "clouds.yaml" for d in (pathlib.Path(), home / ".config/openstack", pathlib.Path("/etc/openstack"))]


def from_environ(environ: Mapping[str, str]) -> Credentials:
    auth = {name: environ[f"OS_{name.upper()}"] for name in _AUTH_VARIABLES if environ.get(f"OS_{name.upper()}")}
    if "project_name" not in auth and environ.get("OS_TENANT_NAME"):
        auth["project_name"] = environ["OS_TENANT_NAME"]
    if "auth_url" not in auth:
        raise AuthError("no cloud is named: give --os-cloud, or set OS_CLOUD or OS_AUTH_URL and its companions")
    return Credentials(auth, environ.get("OS_REGION_NAME") or None, environ.get("OS_INTERFACE", "public"),
                       environ.get("OS_INSECURE", "").lower() not in ("1", "true"), environ.get("OS_CACERT") or None)


def from_clouds(name: str, files: list[pathlib.Path]) -> Credentials:
    path = next((f for f in files if f.is_file()), None)
    if path is None:
        raise AuthError(f"there is no clouds.yaml for cloud {name!r}; looked at {', '.join(map(str, files))}")
    import yaml  # only a cloud file needs it

    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    clouds = document.get("clouds") or {}
    if name not in clouds:
        raise AuthError(f"{path} has no cloud {name!r}; it has {', '.join(sorted(clouds)) or 'none'}")
    cloud = clouds[name]
    auth = {k: str(v) for k, v in (cloud.get("auth") or {}).items()}
    if "auth_url" not in auth:
        raise AuthError(f"cloud {name!r} in {path} has no auth_url")
    return Credentials(auth, cloud.get("region_name"), str(cloud.get("interface", "public")).removesuffix("URL"),
                       bool(cloud.get("verify", True)), cloud.get("cacert"))


def body(auth: Mapping[str, str]) -> dict[str, Any]:
    """The body of a token request."""
    if "application_credential_id" in auth:
        return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": {
            "id": auth["application_credential_id"], "secret": auth.get("application_credential_secret", "")}}}}
    request: dict[str, Any] = {"auth": {"identity": _identity(auth)}}
    scope = _named(auth, "project", "project_id", "project_name")
    if scope is not None:
        request["auth"]["scope"] = {"project": scope}
    return request


def _identity(auth: Mapping[str, str]) -> dict[str, Any]:
    if "token" in auth:
        return {"methods": ["token"], "token": {"id": auth["token"]}}
    user = _named(auth, "user", "user_id", "username")
    if user is None or "password" not in auth:
        raise AuthError("the credentials lack a user or a password")
    return {"methods": ["password"], "password": {"user": {**user, "password": auth["password"]}}}


def _named(auth: Mapping[str, str], kind: str, id_key: str, name_key: str) -> dict[str, Any] | None:
    if id_key in auth:
        return {"id": auth[id_key]}
    if name_key not in auth:
        return None
    if f"{kind}_domain_id" in auth or f"{kind}_domain_name" not in auth:
        return {"name": auth[name_key], "domain": {"id": auth.get(f"{kind}_domain_id", "default")}}
    return {"name": auth[name_key], "domain": {"name": auth[f"{kind}_domain_name"]}}


def endpoint(catalog: list[dict[str, Any]], types: tuple[str, ...], region: str | None, interface: str) -> str | None:
    """The URL of the first service type that the catalogue has, in this region and interface."""
    for kind in types:
        for service in catalog:
            if service.get("type") != kind:
                continue
            for found in service.get("endpoints", []):
                if found.get("interface") == interface and region in (None, found.get("region_id"),
                                                                      found.get("region")):
                    return str(found["url"]).rstrip("/")
    return None


def log_in(credentials: Credentials) -> Session:
    base = credentials.auth["auth_url"].rstrip("/")
    base = base if base.endswith("/v3") else base + "/v3"
    connection = Connection(base, verify=credentials.verify, cacert=credentials.cacert)
    try:
        answer = connection.request("POST", "/auth/tokens", body(credentials.auth))
    finally:
        connection.close()
    if answer.status not in (200, 201):
        raise AuthError(f"{base} refused the credentials: {answer.status} {answer.body[:200].decode(errors='replace')}")
    token = answer.json()["token"]
    catalog = token.get("catalog", [])
    compute = endpoint(catalog, ("compute",), credentials.region, credentials.interface)
    if compute is None or "project" not in token:
        raise AuthError("the token has no project, or its catalogue no compute service in this region and interface")
    return Session(answer.headers["x-subject-token"], token["project"]["id"], compute,
                   endpoint(catalog, ("image",), credentials.region, credentials.interface),
                   credentials.verify, credentials.cacert)
