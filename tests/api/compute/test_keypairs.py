# SPDX-License-Identifier: Apache-2.0
"""Key pairs: imported and generated, by user, in pages."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization

from tests.api.compute.conftest import Api

KEY = ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDx8nkQv/zgGgB4rMYmIf+6A4l6Rr+o/6lHBQdW5aYd44bd8JttDCE/F/pNRr0lRE+P"
       "iqSPO8nDPHw0010JeMH9gYgnnFlyY3/OcJ02RhIPyyxYpv9FhY+2YiUkpwFOcLImyrxEsYXpD/0d3ac30bNH6Sw9JD9UZHYcpSxsIbECHw=="
       " a comment")
PRINT = "1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgGmT3R0lW6y0vJ9v0d0qk1m5vHkKxv3l1sQ1wZk5oK golden@example"


def make(api: Api, name: str, version: str = "2.1", who: str = "demo", **more: str) -> int:
    return api("POST", "/os-keypairs", {"keypair": {"name": name, "public_key": KEY, **more}}, version=version,
               who=who).status


def test_an_imported_key(api: Api) -> None:
    made = api("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}})
    assert made.status == 200
    assert made.body == {"keypair": {"name": "k", "public_key": KEY, "fingerprint": PRINT, "user_id": "u-demo"}}
    shown = api("GET", "/os-keypairs/k").body["keypair"]
    assert {k: v for k, v in shown.items() if k not in ("id", "created_at")} == {
        "name": "k", "public_key": KEY, "fingerprint": PRINT, "user_id": "u-demo", "deleted": False,
        "deleted_at": None, "updated_at": None}
    assert api("GET", "/os-keypairs").body == {"keypairs": [{"keypair": {
        "name": "k", "public_key": KEY, "fingerprint": PRINT}}]}
    assert api("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}}).body == {
        "conflictingRequest": {"code": 409, "message": "Key pair 'k' already exists."}}
    assert api("DELETE", "/os-keypairs/k").status == 202
    assert api("GET", "/os-keypairs/k").body == {
        "itemNotFound": {"code": 404, "message": "Keypair k not found for user u-demo"}}


def test_the_fingerprint_of_another_kind(api: Api) -> None:
    made = api("POST", "/os-keypairs", {"keypair": {"name": "e", "public_key": ED25519}}, version="2.2")
    assert made.status == 201
    assert made.body["keypair"]["fingerprint"] == "ef:dd:8b:f1:b7:f4:be:32:60:01:af:f8:6a:11:a8:2c"
    assert made.body["keypair"]["type"] == "ssh"
    assert api("GET", "/os-keypairs", version="2.2").body["keypairs"][0]["keypair"]["type"] == "ssh"
    assert api("DELETE", "/os-keypairs/e", version="2.2").status == 204


def test_generated_pairs_fit_together(api: Api) -> None:
    made = api("POST", "/os-keypairs", {"keypair": {"name": "g"}}, version="2.91").body["keypair"]
    private = serialization.load_pem_private_key(made["private_key"].encode(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert made["public_key"].startswith(public.decode())
    assert "private_key" not in api("GET", "/os-keypairs/g").body["keypair"]
    refused = api("POST", "/os-keypairs", {"keypair": {"name": "h"}}, version="2.92")
    assert refused.body["badRequest"]["message"] == ("Invalid input for field/attribute keypair. Value: {'name': 'h'}. "
                                                     "'public_key' is a required property")


def test_a_certificate(api: Api) -> None:
    made = api("POST", "/os-keypairs", {"keypair": {"name": "c", "type": "x509"}}, version="2.2").body["keypair"]
    assert made["public_key"].startswith("-----BEGIN CERTIFICATE-----")
    again = {"keypair": {"name": "d", "type": "x509", "public_key": made["public_key"]}}
    assert api("POST", "/os-keypairs", again, version="2.92").body["keypair"]["fingerprint"] == made["fingerprint"]
    wrong = {"keypair": {"name": "f", "type": "x509", "public_key": KEY}}
    assert api("POST", "/os-keypairs", wrong, version="2.2").status == 400


@pytest.mark.parametrize(("name", "version", "status"), [
    ("a b_c-1", "2.1", 200), ("a@b.c", "2.91", 400), ("a@b.c", "2.92", 201), ("a/b", "2.92", 400), (" x", "2.1", 400),
    ("ü", "2.1", 400), ("x" * 256, "2.1", 400), ("", "2.1", 400)])
def test_names(api: Api, name: str, version: str, status: int) -> None:
    assert make(api, name, version) == status


@pytest.mark.parametrize("key", ["not a key", "", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa ÄÖÜ", "x" * 5000])
def test_bad_keys(api: Api, key: str) -> None:
    answer = api("POST", "/os-keypairs", {"keypair": {"name": "b", "public_key": key}})
    assert answer.body == {"badRequest": {"code": 400,
                                          "message": "Keypair data is invalid: failed to generate fingerprint"}}


def test_pages(api: Api) -> None:
    for name in ("c", "a", "b"):
        make(api, name)
    page = api("GET", "/os-keypairs?limit=2", version="2.35").body
    assert [k["keypair"]["name"] for k in page["keypairs"]] == ["a", "b"]
    assert page["keypairs_links"][0]["href"].endswith("/os-keypairs?limit=2&marker=b")
    rest = api("GET", "/os-keypairs?limit=2&marker=b", version="2.35").body
    assert [k["keypair"]["name"] for k in rest["keypairs"]] == ["c"]
    assert api("GET", "/os-keypairs?marker=z", version="2.35").status == 400
    assert len(api("GET", "/os-keypairs?limit=1", version="2.34").body["keypairs"]) == 3


def test_keys_of_other_users(api: Api) -> None:
    assert make(api, "k", "2.10", "admin", user_id="u-demo") == 201
    assert api("GET", "/os-keypairs/k").status == 200
    assert api("GET", "/os-keypairs?user_id=u-demo", who="admin", version="2.10").body["keypairs"]
    assert api("GET", "/os-keypairs?user_id=u-demo", who="admin", version="2.9").body["keypairs"] == []
    for method, path in (("GET", "/os-keypairs"), ("GET", "/os-keypairs/k"), ("DELETE", "/os-keypairs/k")):
        assert api(method, f"{path}?user_id=u-demo", who="other", version="2.10").status == 403
    assert make(api, "x", "2.10", "other", user_id="u-demo") == 403
    assert api("DELETE", "/os-keypairs/k?user_id=u-demo", who="admin", version="2.10").status == 204


def test_the_limit(api: Api) -> None:
    api.conf.set_override("key_pairs", 1, "quota")
    assert make(api, "a") == 200
    refused = api("POST", "/os-keypairs", {"keypair": {"name": "b", "public_key": KEY}})
    assert refused.body == {"forbidden": {"code": 403, "message": "Quota exceeded, too many key pairs."}}
