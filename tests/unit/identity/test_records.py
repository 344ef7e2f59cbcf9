# SPDX-License-Identifier: Apache-2.0
"""Users, projects, domains, groups, roles, catalogue: what may be made, changed, deleted, and what goes along."""

from __future__ import annotations

from typing import Any

import pytest

from nova import errors
from nova.identity.bootstrap import bootstrap
from nova.identity.catalog import fill
from nova.identity.models import Assignment
from tests.unit.identity.build import COST, Cloud


def test_bootstrap_again_changes_nothing(cloud: Cloud) -> None:
    identity = cloud.identity
    before = (identity.users.find(), identity.projects.find(), identity.roles.find(), identity.assignments.find())
    again = bootstrap(identity.database, "other", "other", hash_cost=COST)
    assert again == cloud.ids
    assert before == (identity.users.find(), identity.projects.find(), identity.roles.find(),
                      identity.assignments.find())


def test_bootstrap_can_reset_passwords_and_add_the_service_user(cloud: Cloud) -> None:
    token, _ = cloud.login(project="admin")
    ids = bootstrap(cloud.identity.database, "fresh", "fresh", service_password="robot", hash_cost=COST,
                    reset_passwords=True)
    cloud.identity.sessions.forget()
    with pytest.raises(errors.Unauthorized):
        cloud.identity.sessions.validate(token)
    cloud.login("admin", "fresh", project="admin")
    assert "service" in cloud.login("nova", "robot", project="service")[1].role_names
    assert set(ids.users) == {"admin", "demo", "nova"}


@pytest.mark.parametrize("noun", ["users", "projects", "groups"])
def test_names_are_unique_in_a_domain(cloud: Cloud, noun: str) -> None:
    records = getattr(cloud.identity, noun)
    other = cloud.identity.domains.create("other")
    one = records.create("same")
    assert records.create("same", domain_id=other.id).domain_id == other.id
    with pytest.raises(errors.Conflict):
        records.create("same")
    two = records.create("two")
    with pytest.raises(errors.Conflict):
        records.update(two.id, name="same")
    with pytest.raises(errors.NotFound):
        records.create("x", domain_id="nowhere")
    with pytest.raises(errors.Invalid):
        records.update(one.id, domain_id=other.id)
    with pytest.raises(errors.NotFound):
        records.update("nobody", name="x")
    with pytest.raises(errors.NotFound):
        records.delete("nobody")


def test_extra_attributes_are_kept_and_cannot_reach_our_own_columns(cloud: Cloud) -> None:
    users = cloud.identity.users
    made = users.create("u", password="secret", email="u@example.org", generation=99, password_hash="x",
                        extra={"a": 1}, self="me")
    assert made.extra == {"email": "u@example.org", "self": "me"} and made.generation == 0
    assert cloud.login("u", "secret")[1].user.id == made.id
    changed = users.update(made.id, email=None, phone="1", generation=7, password_hash="x", user_id="x")
    assert changed.extra == {"self": "me", "phone": "1", "user_id": "x"} and changed.generation == 0
    assert changed.password_hash == made.password_hash


def test_deleting_a_user_takes_its_memberships_and_roles_along(cloud: Cloud) -> None:
    identity, demo = cloud.identity, cloud.ids.users["demo"]
    group = identity.groups.create("g")
    identity.groups.add_user(group.id, demo)
    identity.groups.add_user(group.id, demo)
    assert [g.name for g in identity.users.groups(demo)] == ["g"]
    assert [u.name for u in identity.groups.users(group.id)] == ["demo"]
    identity.users.delete(demo)
    assert identity.groups.users(group.id) == []
    assert identity.assignments.find(actor_id=demo) == []


def test_deleting_a_project_takes_roles_and_defaults_along(cloud: Cloud) -> None:
    identity, demo = cloud.identity, cloud.ids.projects["demo"]
    identity.users.update(cloud.ids.users["demo"], default_project_id=demo)
    identity.projects.delete(demo)
    assert identity.assignments.find(target_id=demo) == []
    assert identity.users.get(cloud.ids.users["demo"]).default_project_id is None


def test_a_domain_goes_when_disabled_with_all_in_it(cloud: Cloud) -> None:
    identity = cloud.identity
    domain = identity.domains.create("d")
    user, project = identity.users.create("u", domain.id), identity.projects.create("p", domain.id)
    role = identity.roles.create("only-here", domain.id)
    identity.assignments.grant(Assignment("user", user.id, "project", cloud.ids.projects["demo"],
                                          cloud.ids.roles["reader"]))
    identity.assignments.grant(Assignment("user", cloud.ids.users["demo"], "project", project.id, role.id))
    with pytest.raises(errors.Forbidden):
        identity.domains.delete(domain.id)
    identity.domains.update(domain.id, enabled=False)
    identity.domains.delete(domain.id)
    for records, gone in ((identity.users, user), (identity.projects, project), (identity.roles, role)):
        with pytest.raises(errors.NotFound):
            records.get(gone.id)
    assert {a.actor_id for a in identity.assignments.find()} == {cloud.ids.users["admin"], cloud.ids.users["demo"]}
    identity.domains.update("default", enabled=False)
    with pytest.raises(errors.Forbidden):
        identity.domains.delete("default")


def test_projects_nest_within_bounds(cloud: Cloud) -> None:
    projects = cloud.identity.projects
    other = cloud.identity.domains.create("other")
    top = projects.create("1", parent_id="default")
    assert top.parent_id is None
    chain = [top]
    for name in "2345":
        chain.append(projects.create(name, parent_id=chain[-1].id))
    with pytest.raises(errors.Forbidden):
        projects.create("6", parent_id=chain[-1].id)
    with pytest.raises(errors.Invalid):
        projects.create("x", domain_id=other.id, parent_id=top.id)
    with pytest.raises(errors.NotFound):
        projects.create("x", parent_id="nowhere")
    for refused in (lambda: projects.delete(top.id), lambda: projects.update(top.id, enabled=False)):
        with pytest.raises(errors.Forbidden):
            refused()
    with pytest.raises(errors.Invalid):
        projects.update(chain[2].id, parent_id=top.id)
    assert projects.update(top.id, parent_id="default", name="one").name == "one"
    with pytest.raises(errors.Invalid):
        projects.create("x", is_domain=True)


def test_inherited_roles_hold_below_their_target(cloud: Cloud) -> None:
    identity, demo, reader = cloud.identity, cloud.ids.users["demo"], cloud.ids.roles["reader"]
    top = identity.projects.create("top")
    below = identity.projects.create("below", parent_id=top.id)
    identity.assignments.grant(Assignment("user", demo, "project", top.id, reader, inherited=True))
    assert identity.assignments.roles_on(demo, ("project", top.id)) == []
    assert [name for _, name in identity.assignments.roles_on(demo, ("project", below.id))] == ["reader"]
    identity.assignments.grant(Assignment("user", demo, "domain", "default", reader, inherited=True))
    assert [name for _, name in identity.assignments.roles_on(demo, ("project", top.id))] == ["reader"]
    projects, domains, system = identity.assignments.targets(demo)
    assert {p.name for p in projects} == {"admin", "demo", "service", "top", "below"}
    assert domains == [] and system is False


def test_effective_assignments_name_where_they_come_from(cloud: Cloud) -> None:
    identity, demo = cloud.identity, cloud.ids.users["demo"]
    group = identity.groups.create("g")
    identity.groups.add_user(group.id, demo)
    identity.assignments.grant(Assignment("group", group.id, "project", cloud.ids.projects["admin"],
                                          cloud.ids.roles["member"]))
    through = [e for e in identity.assignments.effective() if e.group_id]
    assert {(e.assignment.actor_id, e.assignment.role_id, e.prior_role_id) for e in through} == {
        (demo, cloud.ids.roles["member"], None), (demo, cloud.ids.roles["reader"], cloud.ids.roles["member"])}
    assert cloud.login("demo", project="admin")[1].role_names == ("member", "reader")
    identity.groups.remove_user(group.id, demo)
    with pytest.raises(errors.Unauthorized):
        cloud.login("demo", project="admin")


def test_implied_roles_go_no_circles(cloud: Cloud) -> None:
    roles, ids = cloud.identity.roles, cloud.ids.roles
    for prior, implied in (("reader", "admin"), ("reader", "reader")):
        with pytest.raises(errors.Invalid):
            roles.imply(ids[prior], ids[implied])
    roles.unimply(ids["member"], ids["reader"])
    assert cloud.login("demo", project="demo")[1].role_names == ("member",)
    with pytest.raises(errors.NotFound):
        roles.unimply(ids["member"], ids["reader"])


@pytest.mark.parametrize("change", [{"actor_id": "x"}, {"target_id": "x"}, {"role_id": "x"}])
def test_roles_are_given_to_and_on_what_exists(cloud: Cloud, change: dict[str, Any]) -> None:
    values = {"actor_type": "user", "actor_id": cloud.ids.users["demo"], "target_type": "project",
              "target_id": cloud.ids.projects["demo"], "role_id": cloud.ids.roles["reader"]} | change
    with pytest.raises(errors.NotFound):
        cloud.identity.assignments.grant(Assignment(**values))
    with pytest.raises(errors.NotFound):
        cloud.identity.assignments.revoke(Assignment(**values))


def test_the_catalogue_is_what_is_served_and_what_was_added(cloud: Cloud) -> None:
    catalog = cloud.identity.catalog
    assert [s.type for s, _ in catalog.for_scope("http://c", "p", "u")] == ["identity", "compute", "image"]
    own = catalog.services.create(type="compute", name="other")
    catalog.endpoints.create(service_id=own.id, interface="public", url="http://n/v2.1/$(project_id)s", region_id="R")
    catalog.endpoints.create(service_id=own.id, interface="admin", url="http://n", region_id="R", enabled=False)
    found = {s.type: (s.name, [e.url for e in endpoints]) for s, endpoints in catalog.for_scope("http://c/", "p", "u")}
    assert found["compute"] == ("other", ["http://n/v2.1/p"])
    assert found["image"] == ("glance", ["http://c/image"] * 3)
    assert [e for s, e in catalog.for_scope("http://c", None, "u") if s.id == own.id] == [[]]
    catalog.services.update(own.id, enabled=False)
    assert "compute" not in [s.type for s, _ in catalog.for_scope("http://c", "p", "u")]
    catalog.services.delete(own.id)
    assert catalog.endpoints.find() == []
    derived = catalog.services.find(type="compute")[0]
    with pytest.raises(errors.Forbidden):
        catalog.services.delete(derived.id)
    with pytest.raises(errors.Forbidden):
        catalog.endpoints.update(catalog.endpoints.derived("")[0].id, url="http://evil")


def test_ids_fill_the_places_in_a_url() -> None:
    assert fill("http://x/%(tenant_id)s/$(user_id)s", {"tenant_id": "t", "user_id": "u"}) == "http://x/t/u"
    assert fill("http://x/%(tenant_id)s", {"tenant_id": None}) is None
    assert fill("http://x/100%", {"tenant_id": None}) == "http://x/100%"


def test_regions_have_parents_that_exist(cloud: Cloud) -> None:
    regions = cloud.identity.catalog.regions
    assert [r.id for r in regions.find()] == ["RegionOne"]
    regions.create(id="R2", parent_region_id="RegionOne")
    with pytest.raises(errors.NotFound):
        regions.create(id="R3", parent_region_id="nowhere")
    with pytest.raises(errors.Conflict):
        regions.create(id="R2")
    assert [r.id for r in regions.find(parent_region_id="RegionOne")] == ["R2"]
    with pytest.raises(errors.Forbidden):
        regions.delete("RegionOne")
