# SPDX-License-Identifier: Apache-2.0
"""Bytes of images over HTTP: upload, inspection, download by range, staging, deactivation, signed URLs."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

from nova import errors
from nova.context import service_context
from nova.db.api import images as db
from nova.host.upload import send
from tests.api.image.conftest import DATA, MD5, OCTETS, SHA512, USERS, Cloud, make, make_active, upload


def qcow2(*, backing: bytes = b"", incompatible: int = 0, size: int = 1 << 20) -> bytes:
    """A qcow2 version 3 header, with a backing file name when one is given."""
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 112 if backing else 0, len(backing), 16, size, 0, 1,
                         0x30000, 0x10000, 1, 0, 0, incompatible, 0, 0, 4, 104)
    return (header + b"\0" * 8 + backing).ljust(0x40000, b"\0")


def vmdk(extents: str) -> bytes:
    """A VMDK descriptor that keeps its data in the given extents."""
    return (f"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\n"
            f"{extents}\n\nddb.adapterType = \"ide\"\n").encode().ljust(65536, b"\0")


def test_upload_and_download(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make_active(alice)
    image = alice.get(f"/v2/images/{image_id}").json()
    assert {k: image[k] for k in ("status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")} == {
        "status": "active", "size": len(DATA), "virtual_size": len(DATA), "checksum": MD5, "os_hash_algo": "sha512",
        "os_hash_value": SHA512}
    answer = alice.get(f"/v2/images/{image_id}/file")
    assert answer.status_code == 200 and answer.content == DATA
    assert answer.headers["Content-MD5"] == MD5 and answer.headers["Content-Type"] == "application/octet-stream"
    assert cloud.files()[0].startswith(image_id)
    again = alice.get(f"/v2/images/{image_id}/file", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304 and again.content == b""
    head = alice.head(f"/v2/images/{image_id}/file")
    assert head.status_code == 200 and head.headers["Content-Length"] == str(len(DATA)) and not head.content


def test_an_upload_of_unknown_length(alice: httpx.Client) -> None:
    def stream() -> Iterator[bytes]:
        for start in range(0, len(DATA), 100_000):
            yield DATA[start:start + 100_000]

    image_id = make(alice)["id"]
    assert alice.put(f"/v2/images/{image_id}/file", content=stream(), headers=OCTETS).status_code == 204
    assert alice.get(f"/v2/images/{image_id}").json()["os_hash_value"] == SHA512


@pytest.mark.parametrize(("header", "first", "last"), [
    ("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=2097150-", 2097150, 2097151),
    ("bytes=-5", 2097147, 2097151), ("bytes=5-99999999", 5, 2097151), ("BYTES = 1 - 2", 1, 2),
])
def test_ranges(alice: httpx.Client, header: str, first: int, last: int) -> None:
    answer = alice.get(f"/v2/images/{make_active(alice)}/file", headers={"Range": header})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert answer.content == DATA[first:last + 1] and "Content-MD5" not in answer.headers


@pytest.mark.parametrize("header", ["bytes=2097152-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=a-b", "bytes=0-1,3-4"])
def test_unsatisfiable_ranges(alice: httpx.Client, header: str) -> None:
    answer = alice.get(f"/v2/images/{make_active(alice)}/file", headers={"Range": header})
    assert answer.status_code == 416 and answer.headers["Content-Range"] == f"bytes */{len(DATA)}"


def test_ranges_that_do_not_apply(alice: httpx.Client) -> None:
    path = f"/v2/images/{make_active(alice)}/file"
    assert alice.get(path, headers={"Range": "lines=1-2"}).status_code == 200
    assert alice.get(path, headers={"Range": "bytes=0-1", "If-Range": '"older"'}).status_code == 200


def test_an_image_without_data_has_no_content(alice: httpx.Client) -> None:
    answer = alice.get(f"/v2/images/{make(alice)['id']}/file")
    assert answer.status_code == 204 and answer.content == b""


@pytest.mark.parametrize(("disk_format", "data", "word"), [
    ("qcow2", DATA, "content is raw"), ("raw", qcow2(), "content is qcow2"), ("vmdk", qcow2(), "qcow2"),
    ("qcow2", qcow2(backing=b"/etc/passwd"), "backing"), ("qcow2", qcow2(incompatible=4), "external file"),
    ("raw", b"", "empty"), ("vmdk", vmdk('RW 2048 FLAT "/etc/shadow" 0'), ""), ("vmdk", vmdk(""), ""),
    ("raw", vmdk('RW 2048 FLAT "/etc/shadow" 0'), "vmdk"), ("iso", DATA, "raw"), ("vhd", DATA, "raw"),
])
def test_refused_content_leaves_nothing(cloud: Cloud, alice: httpx.Client, disk_format: str, data: bytes,
                                        word: str) -> None:
    before = make(alice, disk_format=disk_format)
    answer = upload(alice, before["id"], data)
    assert answer.status_code == 400 and word in answer.json()["message"], answer.text
    after = alice.get(f"/v2/images/{before['id']}").json()
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}
    assert cloud.files() == []


def test_a_refused_image_takes_better_content(alice: httpx.Client) -> None:
    image_id = make(alice, disk_format="qcow2")["id"]
    assert upload(alice, image_id, DATA).status_code == 400
    assert upload(alice, image_id, qcow2(size=5 << 20)).status_code == 204
    assert alice.get(f"/v2/images/{image_id}").json()["virtual_size"] == 5 << 20


@pytest.mark.parametrize(("headers", "status"), [
    ({"Content-Type": "application/json"}, 415), ({"Content-Type": "text/plain"}, 415),
    ({**OCTETS, "X-OpenStack-Image-Size": "5"}, 400), ({**OCTETS, "X-OpenStack-Image-Size": "many"}, 400),
    ({**OCTETS, "X-Image-Meta-Store": "ceph"}, 400),
])
def test_bad_upload_headers(cloud: Cloud, alice: httpx.Client, headers: dict[str, str], status: int) -> None:
    image_id = make(alice)["id"]
    assert alice.put(f"/v2/images/{image_id}/file", content=DATA, headers=headers).status_code == status
    assert alice.get(f"/v2/images/{image_id}").json()["status"] == "queued" and cloud.files() == []


def test_data_comes_once_and_only_when_the_formats_are_known(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make_active(alice)
    assert upload(alice, image_id).status_code == 409
    unknown = alice.post("/v2/images", json={"name": "x"}).json()["id"]
    assert upload(alice, unknown).status_code == 400
    assert len(cloud.files()) == 1


def test_a_foreign_image_takes_no_data(cloud: Cloud, alice: httpx.Client, bob: httpx.Client,
                                       root: httpx.Client) -> None:
    assert upload(bob, make(alice)["id"]).status_code == 404
    assert upload(bob, make(root, visibility="public")["id"]).status_code == 403
    assert cloud.files() == []


def test_too_large(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    assert upload(alice, image_id, b"\1" * ((32 << 20) + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(33):
            yield b"\1" * (1 << 20)

    assert alice.put(f"/v2/images/{image_id}/file", content=endless(), headers=OCTETS).status_code == 413
    assert alice.get(f"/v2/images/{image_id}").json()["status"] == "queued" and cloud.files() == []


def test_a_connection_that_breaks_leaves_nothing(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    address = urlsplit(cloud.url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(f"PUT /image/v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: alice\r\n"
                           "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n".encode())
        connection.sendall(DATA[:5000])
    assert upload(alice, image_id).status_code == 204
    assert len(cloud.files()) == 1


def test_stage_and_import(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    path = f"/v2/images/{image_id}"
    direct = {"method": {"name": "glance-direct"}}
    assert alice.post(f"{path}/import", json=direct).status_code == 409
    assert alice.put(f"{path}/stage", content=DATA, headers=OCTETS).status_code == 204
    assert alice.get(path).json()["status"] == "uploading"
    assert alice.get(f"{path}/file").status_code == 204
    assert alice.put(f"{path}/stage", content=DATA, headers=OCTETS).status_code == 409
    assert alice.post(f"{path}/import", json={"method": {"name": "web-download"}}).status_code == 400
    assert alice.post(f"{path}/import", json={**direct, "stores": ["ceph"]}).status_code == 400
    assert alice.post(f"{path}/import", json={}).status_code == 400
    assert alice.post(f"{path}/import", json=direct).status_code == 202
    assert alice.get(path).json()["status"] == "active"
    assert alice.get(f"{path}/file").content == DATA and len(cloud.files()) == 1


def test_refused_staged_content_is_removed(cloud: Cloud, alice: httpx.Client, bob: httpx.Client) -> None:
    image_id = make(alice, disk_format="qcow2")["id"]
    path = f"/v2/images/{image_id}"
    alice.put(f"{path}/stage", content=DATA, headers=OCTETS)
    direct = {"method": {"name": "glance-direct"}}
    assert bob.post(f"{path}/import", json=direct).status_code == 404
    assert alice.post(f"{path}/import", json=direct).status_code == 400
    image = alice.get(path).json()
    assert image["status"] == "queued" and image["size"] is None and cloud.files() == []


def test_deactivated_data_is_for_administrators(alice: httpx.Client, bob: httpx.Client, root: httpx.Client) -> None:
    path = f"/v2/images/{make_active(alice, visibility='community')}"
    assert bob.post(f"{path}/actions/deactivate").status_code == 403
    assert alice.post(f"{path}/actions/deactivate").status_code == 204
    assert root.post(f"{path}/actions/deactivate").status_code == 204
    assert alice.get(path).json()["status"] == "deactivated"
    assert alice.get(f"{path}/file").status_code == 403
    assert root.get(f"{path}/file").status_code == 200
    assert root.post(f"{path}/actions/reactivate").status_code == 204
    assert alice.get(f"{path}/file").status_code == 200
    queued = make(alice)["id"]
    assert root.post(f"/v2/images/{queued}/actions/deactivate").status_code == 403
    assert root.post(f"/v2/images/{queued}/actions/shred").status_code == 404


def test_a_signed_url_needs_no_token(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make_active(alice, visibility="private")
    other = make_active(alice)
    host = cloud.as_user("")
    url = cloud.images.signer.url(cloud.url, image_id)
    query = url.partition("?")[2]
    assert host.get(url).content == DATA
    assert host.get(url, headers={"Range": "bytes=1-2"}).content == DATA[1:3]
    assert host.get(f"/v2/images/{other}/file?{query}").status_code == 403
    assert host.put(url, content=DATA, headers=OCTETS).status_code == 403
    assert host.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    assert host.get(f"/v2/images/{image_id}?{query}").status_code == 401
    assert host.get(f"/v2/images/{image_id}/file").status_code == 401
    over = cloud.images.signer.sign(image_id, expires=1_000_000)
    assert host.get(f"/v2/images/{image_id}/file", params=over).status_code == 403
    assert host.get(f"/v2/images/{image_id}/file?expires=never&signature=x").status_code == 403


def test_nothing_is_under_way_with_an_image(alice: httpx.Client) -> None:
    assert alice.get(f"/v2/images/{make(alice)['id']}/tasks").json() == {"tasks": []}
    assert alice.get("/v2/images/00000000-0000-4000-8000-000000000000/tasks").status_code == 404


def test_a_host_uploads_a_snapshot_by_signed_url(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make(alice)["id"]
    url = cloud.images.signer.url(cloud.url, image_id, method="PUT")
    assert cloud.as_user("").put(url, content=DATA, headers=OCTETS).status_code == 204
    assert alice.get(f"/v2/images/{image_id}").json()["status"] == "active"


def test_a_host_that_sends_again_is_answered_alike(cloud: Cloud, alice: httpx.Client, tmp_path: Path) -> None:
    """The file of a snapshot, by the code that hosts send it with; the owner's own upload is refused where the host's
    begins anew."""
    image_id, path = make(alice)["id"], tmp_path / "snapshot"
    path.write_bytes(DATA)
    url = cloud.images.signer.url(cloud.url, image_id, method="PUT")
    cloud.images.data._db.run(lambda conn: cloud.images.data._begin(
        conn, service_context(), image_id, "saving", "00000000-0000-0000-0000-00000000000a"))
    assert alice.put(f"/v2/images/{image_id}/file", content=DATA, headers=OCTETS).status_code == 409
    for _ in range(2):
        send(url, path)
        assert alice.get(f"/v2/images/{image_id}/file").content == DATA
    path.write_bytes(b"something else")
    send(url, path)
    assert alice.get(f"/v2/images/{image_id}/file").content == DATA
    alice.delete(f"/v2/images/{image_id}")
    with pytest.raises(errors.HostFailure, match="does not take the image: 404"):
        send(url, path)
    other = make(alice)["id"]
    with pytest.raises(errors.HostFailure, match="does not take the image: 403"):
        send(url.replace(image_id, other), path)
    with pytest.raises(errors.HostFailure, match="over HTTP only"):
        send("file:///etc/passwd", path)


def test_a_store_that_is_away_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    path.write_bytes(DATA)
    with pytest.raises(errors.HostFailure, match="cannot be reached") as caught:
        send("http://127.0.0.1:1/v2/images/x/file", path, pause=0.001)
    assert caught.value.details["retry"]


def test_deleting_while_uploading_ends_the_upload(cloud: Cloud, alice: httpx.Client) -> None:
    image_id = make(alice)["id"]

    def chunks() -> Iterator[bytes]:
        yield DATA
        assert alice.delete(f"/v2/images/{image_id}").status_code == 204
        yield DATA

    with pytest.raises(Exception, match="deleted while"):
        cloud.images.data.upload(USERS["alice"], image_id, chunks())
    assert cloud.files() == []
    with cloud.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(db.image_locations)).scalar() == 0
