# SPDX-License-Identifier: Apache-2.0
"""``/v2/images``: records of images. Their bytes are in ``files``, sharing in ``members``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from nova import errors
from nova.api.image import patches, schemas, views
from nova.images import model, query
from nova.images.manager import Images
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

METHODS = ("glance-direct",)
_PAGING = ("limit", "marker", "sort", "sort_key", "sort_dir")
_MAX_LIMIT = 2**31 - 1


def routes(limits: model.Limits) -> tuple[Route, ...]:
    return (
        Route("GET", "/v2/images", "index", rule="image:get_images", doc="List images"),
        Route("POST", "/v2/images", "create", rule="image:add_image", success=201, body=schemas.create(limits),
              doc="Create an image record"),
        Route("GET", "/v2/images/{id}", "show", rule="image:get_image", doc="Show an image"),
        Route("GET", "/v2/images/{id}/tasks", "tasks", rule="image:get_image",
              doc="List what is under way with an image: data are imported at once, so nothing ever is"),
        Route("PATCH", "/v2/images/{id}", "update", rule="image:modify_image", body=schemas.PATCH,
              doc="Change an image"),
        Route("DELETE", "/v2/images/{id}", "delete", rule="image:delete_image", success=204, doc="Delete an image"),
        Route("PUT", "/v2/images/{id}/tags/{tag}", "add_tag", rule="image:modify_image", success=204, raw=True,
              doc="Add a tag to an image"),
        Route("DELETE", "/v2/images/{id}/tags/{tag}", "remove_tag", rule="image:modify_image", success=204,
              doc="Remove a tag from an image"),
        Route("POST", "/v2/images/{id}/actions/deactivate", "deactivate", rule="image:deactivate", success=204,
              raw=True, doc="Make the data of an image unavailable to everyone but administrators"),
        Route("POST", "/v2/images/{id}/actions/reactivate", "reactivate", rule="image:reactivate", success=204,
              raw=True, doc="Make the data of a deactivated image available again"),
    )


class ImageController:
    def __init__(self, images: Images) -> None:
        self._images = images

    def index(self, request: Request) -> dict[str, Any]:
        asked = _question(request)
        found = self._images.list(request.context, asked)
        kept = [(n, v) for n, values in request.args.items() for v in values if n != "marker"]
        document: dict[str, Any] = {"images": [views.image(i) for i in found], "schema": "/v2/schemas/images",
                                    "first": _list_link(kept)}
        if found and len(found) == self._images.page_size(asked.limit):
            document["next"] = _list_link([*kept, ("marker", found[-1].id)])
        return document

    def create(self, request: Request) -> Reply:
        body = dict(request.body_json)
        tags = body.pop("tags", [])
        values = {n: body.pop(n) for n in (*model.WRITABLE, "id", "owner") if n in body}
        image = self._images.create(request.context, values, body, tags)
        return Reply(views.image(image), headers={"Location": request.link(f"v2/images/{image.id}"),
                                                  "OpenStack-image-import-methods": ",".join(METHODS)})

    def show(self, request: Request) -> dict[str, Any]:
        return views.image(self._images.show(request.context, request.match["id"]))

    def tasks(self, request: Request) -> dict[str, Any]:
        self._images.show(request.context, request.match["id"])
        return {"tasks": []}

    def update(self, request: Request) -> dict[str, Any]:
        media_type = (request.environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
        if media_type not in (patches.V20, patches.V21):
            raise errors.UnsupportedMediaType(f"A patch of an image is sent as {patches.V21}")
        operations = patches.parse(request.body_json or [], media_type)
        return views.image(self._images.update(request.context, request.match["id"],
                                               lambda image: patches.changes(image, operations)))

    def delete(self, request: Request) -> None:
        self._images.delete(request.context, request.match["id"])

    def add_tag(self, request: Request) -> None:
        self._images.add_tag(request.context, request.match["id"], request.match["tag"])

    def remove_tag(self, request: Request) -> None:
        self._images.remove_tag(request.context, request.match["id"], request.match["tag"])

    def deactivate(self, request: Request) -> None:
        self._images.data.set_active(request.context, request.match["id"], False)

    def reactivate(self, request: Request) -> None:
        self._images.data.set_active(request.context, request.match["id"], True)


def _question(request: Request) -> query.Query:
    args = request.args
    sort = query.parse_sort(args.get("sort_key", []), args.get("sort_dir", []), request.arg("sort"))
    filters = [(n, v) for n, values in args.items() if n not in _PAGING for v in values]
    return query.Query(filters=filters, sort=sort, limit=_limit(request), marker=request.arg("marker"))


def _limit(request: Request) -> int | None:
    text = request.arg("limit")
    if text is None:
        return None
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise errors.Invalid("limit param must be an integer")
    if text.startswith("-"):
        raise errors.Invalid("limit param must be positive")
    return min(int(digits), _MAX_LIMIT)


def _list_link(pairs: list[tuple[str, str]]) -> str:
    """Links of lists start at the version, wherever the front is mounted: clients put the endpoint before them."""
    return f"/v2/images?{urlencode(pairs)}" if pairs else "/v2/images"


def resource(images: Images) -> Resource:
    return Resource(routes(images.limits), ImageController(images))
