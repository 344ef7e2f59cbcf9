# SPDX-License-Identifier: Apache-2.0
"""``/v2/images/{id}/file``, ``stage`` and ``import``: bytes of images in and out, never held in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from nova import errors
from nova.api.image import ranges, schemas, views
from nova.api.image.images import METHODS
from nova.api.image.signed import SIGNED
from nova.images.manager import Images
from nova.images.store import CHUNK
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

_OCTETS = "application/octet-stream"


def routes(max_body: int) -> tuple[Route, ...]:
    return (
        Route("PUT", "/v2/images/{id}/file", "upload", rule="image:upload_image", success=204, raw=True,
              max_body=max_body, doc="Upload the data of an image"),
        Route("GET", "/v2/images/{id}/file", "download", rule="image:download_image",
              doc="Download the data of an image, or a range of it"),
        Route("PUT", "/v2/images/{id}/stage", "stage", rule="image:upload_image", success=204, raw=True,
              max_body=max_body, doc="Upload data that a later import makes the image's"),
        Route("POST", "/v2/images/{id}/import", "import_", rule="image:upload_image", success=202,
              body=schemas.IMPORT, doc="Make staged data the image's"),
    )


class FileController:
    def __init__(self, images: Images) -> None:
        self._images = images

    def upload(self, request: Request) -> None:
        size = _upload_size(request)
        data = self._images.data
        receive = data.fill if request.environ.get(SIGNED) else data.upload
        receive(request.context, request.match["id"], _body(request), size)

    def stage(self, request: Request) -> None:
        size = _upload_size(request)
        self._images.data.stage(request.context, request.match["id"], _body(request), size)

    def import_(self, request: Request) -> Reply:
        method = request.body_json["method"]["name"]
        if method not in METHODS:
            raise errors.Invalid(f"Unknown import method name '{method[:64]}'; known is {', '.join(METHODS)}.")
        _check_stores(request, request.body_json.get("stores", []))
        self._images.data.import_staged(request.context, request.match["id"])
        return Reply()

    def download(self, request: Request) -> Reply:
        row, file = self._images.data.open(request.context, request.match["id"])
        if file is None:
            return Reply(status=204)
        try:
            return _file_reply(request, row, file)
        except BaseException:
            file.close()
            raise


def _file_reply(request: Request, row: dict[str, Any], file: BinaryIO) -> Reply:
    environ = request.environ
    size, etag = row["size"], f'"{row["os_hash_value"][:64]}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-MD5": row["checksum"],
               "Cache-Control": "private, no-cache", "Vary": "X-Auth-Token"}
    if etag in [t.strip().removeprefix("W/") for t in environ.get("HTTP_IF_NONE_MATCH", "").split(",")]:
        file.close()
        return Reply(status=304, headers={n: headers[n] for n in ("ETag", "Cache-Control", "Vary")})
    asked = environ.get("HTTP_RANGE", "")
    if asked and environ.get("HTTP_IF_RANGE", etag).strip() == etag:
        part = ranges.parse(asked, size)
        if part is not None:
            start, end = part
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
            del headers["Content-MD5"]  # it is the checksum of the whole
            file.seek(start)
            return Reply(_stream(environ, file, end - start + 1), 206, headers, _OCTETS, end - start + 1)
    return Reply(_stream(environ, file, size), 200, headers, _OCTETS, size)


def _stream(environ: dict[str, Any], file: BinaryIO, length: int) -> Any:
    """The server's own way of sending files where it has one: that takes no worker while a slow client reads."""
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(file, CHUNK) if wrapper is not None else _chunks(file, length)


def _chunks(file: BinaryIO, length: int) -> Iterator[bytes]:
    with file:
        while length > 0:
            chunk = file.read(min(CHUNK, length))
            if not chunk:
                raise OSError("the file of an image is shorter than its record says")
            length -= len(chunk)
            yield chunk


def _body(request: Request) -> Iterator[bytes]:
    """The request body in chunks; a connection that breaks is the sender's fault."""
    length = request.environ.get("CONTENT_LENGTH")
    unknown = not length and request.environ.get("wsgi.input_terminated")
    left = int(length) if length else 0
    while unknown or left > 0:
        try:
            chunk = request.stream.read(CHUNK if unknown else min(CHUNK, left))
        except OSError as e:
            raise errors.Invalid("The connection broke during the upload.") from e
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def _upload_size(request: Request) -> int | None:
    """How many bytes the sender announced. Raises for another media type or a size that is not one."""
    environ = request.environ
    if (environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower() != _OCTETS:
        raise errors.UnsupportedMediaType(f"The data of an image is sent as {_OCTETS}")
    _check_stores(request, [])
    length = environ.get("CONTENT_LENGTH")
    announced = environ.get("HTTP_X_OPENSTACK_IMAGE_SIZE")
    if announced is None:
        return int(length) if length else None
    if not announced.isascii() or not announced.isdigit() or len(announced) > 18:
        raise errors.Invalid("X-OpenStack-Image-Size must be a number of bytes")
    if length and int(length) != int(announced):
        raise errors.Invalid(f"X-OpenStack-Image-Size says {announced} bytes, Content-Length says {length}")
    return int(announced)


def _check_stores(request: Request, stores: list[str]) -> None:
    header = request.environ.get("HTTP_X_IMAGE_META_STORE")
    for store in [*stores, *([header] if header is not None else [])]:
        if store != views.STORE:
            raise errors.Invalid(f"Store '{store[:64]}' does not exist here; there is one, '{views.STORE}'.")


def resource(images: Images, max_body: int) -> Resource:
    return Resource(routes(max_body), FileController(images))
