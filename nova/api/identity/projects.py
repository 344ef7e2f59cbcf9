# SPDX-License-Identifier: Apache-2.0
"""Projects and their tags on the wire."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.identity import schemas, views, wire
from nova.identity.manager import Identity
from nova.identity.models import DEFAULT_DOMAIN, Project
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

_PROJECT = "/v3/projects/{project_id}"
_TAGS = f"{_PROJECT}/tags"

ROUTES = (
    Route("GET", "/v3/projects", "index", rule="identity:list_projects", doc="List projects"),
    Route("POST", "/v3/projects", "create", rule="identity:create_project", body=schemas.PROJECT_CREATE, success=201,
          doc="Create a project"),
    Route("GET", _PROJECT, "show", rule=ANYONE, doc="Show a project"),
    Route("PATCH", _PROJECT, "update", rule="identity:update_project", body=schemas.PROJECT_UPDATE,
          doc="Change a project"),
    Route("DELETE", _PROJECT, "delete", rule="identity:delete_project", success=204, doc="Delete a project"),
    Route("GET", _TAGS, "tags", rule=ANYONE, doc="List the tags of a project"),
    Route("PUT", _TAGS, "set_tags", rule="identity:update_project_tags", body=schemas.PROJECT_TAGS,
          doc="Replace the tags of a project"),
    Route("DELETE", _TAGS, "delete_tags", rule="identity:delete_project_tags", success=204, doc="Remove all tags"),
    Route("GET", f"{_TAGS}/{{tag}}", "check_tag", rule=ANYONE, success=204, doc="Has a project a tag"),
    Route("PUT", f"{_TAGS}/{{tag}}", "add_tag", rule="identity:create_project_tag", success=201, doc="Add a tag"),
    Route("DELETE", f"{_TAGS}/{{tag}}", "delete_tag", rule="identity:delete_project_tag", success=204,
          doc="Remove a tag"),
)


class ProjectController:
    def __init__(self, identity: Identity) -> None:
        self._projects = identity.projects

    def index(self, request: Request) -> dict[str, Any]:
        filters = wire.equals(request, "name", "domain_id", "enabled", "parent_id")
        if filters.get("parent_id") is not None and filters["parent_id"] == filters.get("domain_id", DEFAULT_DOMAIN):
            filters |= {"parent_id": None, "domain_id": filters["parent_id"]}  # the top of a domain
        projects = [] if wire.flag(request, "is_domain") else self._projects.find(**filters)
        projects = [p for p in wire.inexact(request, projects) if _has_tags(request, p)]
        return wire.listing(request, "projects", (views.project(request, p) for p in projects))

    def create(self, request: Request) -> dict[str, Any]:
        values = wire.attributes(request, "project")
        if not values.get("domain_id"):
            values["domain_id"] = request.context.project_domain_id or request.context.user_domain_id
        return {"project": views.project(request, self._projects.create(**values))}

    def show(self, request: Request) -> dict[str, Any]:
        return {"project": views.project(request, self._projects.get(self._may(request, "get_project")))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._projects.update(request.match["project_id"], **wire.updates(request, "project"))
        return {"project": views.project(request, changed)}

    def delete(self, request: Request) -> None:
        self._projects.delete(request.match["project_id"])

    def tags(self, request: Request) -> dict[str, Any]:
        project = self._projects.get(self._may(request, "list_project_tags"))
        return {"tags": project.tags, "links": wire.listing(request, "tags", ())["links"]}

    def set_tags(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["tags"]
        tags = self._projects.change_tags(request.match["project_id"], lambda _tags: list(wanted))
        return {"tags": tags, "links": wire.listing(request, "tags", ())["links"]}

    def delete_tags(self, request: Request) -> None:
        self._projects.change_tags(request.match["project_id"], lambda _tags: [])

    def check_tag(self, request: Request) -> None:
        self._require(self._projects.get(self._may(request, "get_project_tag")).tags, request.match["tag"])

    def add_tag(self, request: Request) -> Reply:
        tag = request.match["tag"]
        if "," in tag or len(tag) > 255:
            raise errors.Invalid("A tag has at most 255 characters and no comma.")
        self._projects.change_tags(request.match["project_id"], lambda tags: [*tags, tag])
        return Reply(None, 201, {"Location": request.link(request.environ["PATH_INFO"])})

    def delete_tag(self, request: Request) -> None:
        tag = request.match["tag"]

        def without(tags: list[str]) -> list[str]:
            self._require(tags, tag)
            return [t for t in tags if t != tag]
        self._projects.change_tags(request.match["project_id"], without)

    @staticmethod
    def _require(tags: list[str], tag: str) -> None:
        if tag not in tags:
            raise errors.NotFound(f"Could not find project tag: {tag}.")

    @staticmethod
    def _may(request: Request, rule: str) -> str:
        project_id = request.match["project_id"]
        request.authorize(f"identity:{rule}", {"project_id": project_id})
        return project_id


def _has_tags(request: Request, project: Project) -> bool:
    """The four tag filters: all of, any of, not all of, not any of a comma-separated list."""
    have = set(project.tags)
    wanted = {name: set(value.split(",")) for name in ("tags", "tags-any", "not-tags", "not-tags-any")
              if (value := request.arg(name))}
    return (wanted.get("tags", set()) <= have
            and ("tags-any" not in wanted or bool(wanted["tags-any"] & have))
            and ("not-tags" not in wanted or not wanted["not-tags"] <= have)
            and not wanted.get("not-tags-any", set()) & have)
