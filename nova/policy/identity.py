# SPDX-License-Identifier: Apache-2.0
"""The rules of the Identity API. Names are those that operators know from their policy files."""

from __future__ import annotations

from oslo_policy import policy

from nova.policy.base import rules

_SUBJECT = "user_id:%(user_id)s"

RULES = [
    *rules("identity:", """
owner-user  get_user list_user_projects list_groups_for_user           # Read a user, its projects and groups
admin       list_users create_user update_user delete_user             # Manage users
reader      get_project list_project_tags get_project_tag              # Read a project
admin       list_projects create_project update_project delete_project  # Manage projects
admin       create_project_tag update_project_tags delete_project_tag delete_project_tags  # Tag projects
admin       list_domains create_domain update_domain delete_domain     # Manage domains
admin       get_group list_groups create_group update_group delete_group  # Manage groups
admin       list_users_in_group add_user_to_group remove_user_from_group  # Who is in a group
owner-user  check_user_in_group                                        # Is a user in a group
admin       get_role list_roles create_role update_role delete_role    # Manage roles
admin       get_implied_role list_implied_roles list_role_inference_rules  # Which role implies which
admin       create_implied_role delete_implied_role                    # Change which role implies which
admin       check_grant list_grants create_grant revoke_grant          # Roles of users and groups on projects, domains
admin       check_system_grant list_system_grants create_system_grant revoke_system_grant  # Roles on the system
owner-user  list_role_assignments                                      # Who has which role; for a user: its own
owner-user  get_application_credential list_application_credentials delete_application_credential  # Credentials
owner-user  get_access_rule list_access_rules                          # Rules of application credentials
admin       get_service list_services create_service update_service delete_service  # Services of the catalogue
admin       get_endpoint list_endpoints create_endpoint update_endpoint delete_endpoint  # Endpoints of the catalogue
any         get_region list_regions                                    # Read regions
admin       create_region update_region delete_region                  # Manage regions
any         get_auth_projects get_auth_domains get_auth_system get_auth_catalog  # What one's own token may reach
"""),
    policy.RuleDefault("identity:get_domain", "rule:context_is_admin or user_domain_id:%(domain_id)s or "
                       "project_domain_id:%(domain_id)s", "Read a domain"),
    policy.RuleDefault("identity:create_application_credential", _SUBJECT,
                       "Make an application credential; it acts for the user, so only the user may"),
    policy.RuleDefault("identity:validate_token", f"rule:service_or_admin or {_SUBJECT}", "Look at a token"),
    policy.RuleDefault("identity:revoke_token", f"rule:context_is_admin or {_SUBJECT}", "Make a token void"),
]
