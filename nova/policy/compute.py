# SPDX-License-Identifier: Apache-2.0
"""The rules of the Compute API. Names and defaults are those that operators know from their policy files."""

from __future__ import annotations

import functools

from nova.policy import base

rules = functools.partial(base.rules, scope=("project",))

RULES = [
    *rules("os_compute_api:", """
any         extensions                                                  # List the extensions that old clients ask for
any         limits                                                      # Show limits and usage of the own project
admin       limits:other_project                                        # Show limits of another project
any         os-availability-zone:list                                   # List availability zones
admin       os-availability-zone:detail                                 # List zones with their hosts
admin       os-flavor-manage:create os-flavor-manage:update os-flavor-manage:delete  # Manage flavors
admin       os-flavor-extra-specs:create os-flavor-extra-specs:update os-flavor-extra-specs:delete  # Manage extra specs
reader      os-flavor-extra-specs:show os-flavor-extra-specs:index      # Read extra specs
admin       os-flavor-access os-flavor-access:add_tenant_access os-flavor-access:remove_tenant_access  # Flavor access
owner-user  os-keypairs:index os-keypairs:show os-keypairs:create os-keypairs:delete  # Key pairs of a user
admin       os-aggregates:index os-aggregates:show os-aggregates:create os-aggregates:update  # Aggregates
admin       os-aggregates:delete                                        # Delete aggregates
admin       os-aggregates:set_metadata os-aggregates:add_host os-aggregates:remove_host  # Content of aggregates
reader      os-quota-sets:show os-quota-sets:detail                     # Show quotas of a project
any         os-quota-sets:defaults                                      # Show default quotas
admin       os-quota-sets:update os-quota-sets:delete                   # Change quotas
admin       os-quota-class-sets:show os-quota-class-sets:update         # Default quotas
admin       os-services:list os-services:update os-services:delete      # Services
admin       os-hypervisors:list os-hypervisors:list-detail os-hypervisors:show os-hypervisors:statistics  # Hypervisors
admin       os-hypervisors:uptime os-hypervisors:search os-hypervisors:servers  # Old queries on hypervisors
admin       os-hosts:list os-hosts:show os-hosts:update os-hosts:reboot os-hosts:shutdown os-hosts:start  # Hosts of old
member      os-server-groups:create os-server-groups:delete             # Manage server groups
reader      os-server-groups:index os-server-groups:show                # Read server groups
admin       os-server-groups:index:all_projects                         # List server groups of all projects
"""),
    *rules("os_compute_api:", """
reader      servers:index servers:detail servers:show                   # Read servers
admin       servers:index:get_all_tenants servers:detail:get_all_tenants  # List servers of all projects
admin       servers:allow_all_filters                                   # Use every filter of a list of servers
admin       servers:show:host_status servers:show:host_status:unknown-only  # See the state of the host
reader      servers:show:flavor-extra-specs                             # See extra specs in a server
admin       os-extended-server-attributes                               # See host and internal names of a server
reader      servers:events                                              # Follow what happens to servers
admin       servers:events:all_tenants                                  # Follow the servers of all projects
member      servers:create servers:create:attach_volume servers:create:attach_network  # Create servers
member      servers:create:trusted_certs servers:rebuild:trusted_certs  # Give trusted certificates
admin       servers:create:forced_host servers:create:zero_disk_flavor  # Create on a chosen host; without a root disk
member      servers:update servers:delete servers:start servers:stop servers:reboot servers:rebuild  # Run servers
member      servers:resize servers:confirm_resize servers:revert_resize servers:trigger_crash_dump  # Change servers
member      servers:create_image servers:create_image:allow_volume_backed os-create-backup  # Make images of servers
reader      server-metadata:index server-metadata:show                  # Read metadata
member      server-metadata:create server-metadata:update server-metadata:update_all server-metadata:delete  # Metadata
reader      ips:index ips:show                                          # Addresses of a server
reader      os-instance-actions:list os-instance-actions:show           # What was done to a server
admin       os-instance-actions:events os-instance-actions:events:details  # Events and their details
member      os-console-output os-remote-consoles                        # Consoles
admin       os-console-auth-tokens                                      # Resolve a console token
member      os-lock-server:lock os-lock-server:unlock                   # Lock and unlock
admin       os-lock-server:unlock:unlock_override                       # Unlock what another has locked
admin       os-admin-actions:reset_state os-admin-actions:inject_network_info  # Administrator's actions
member      os-admin-password os-server-password:clear                  # Passwords in the guest
reader      os-server-password:show                                     # Read the encrypted password
member      os-pause-server:pause os-pause-server:unpause os-suspend-server:suspend os-suspend-server:resume  # Pause
member      os-rescue os-unrescue                                       # Rescue
member      os-shelve:shelve os-shelve:unshelve                         # Shelve
admin       os-shelve:shelve_offload os-shelve:unshelve_to_host         # Free the host; choose one
member      os-deferred-delete:restore os-deferred-delete:force         # Soft deleted servers
admin       os-evacuate os-server-diagnostics                           # Evacuate; counters
manager     os-migrate-server:migrate os-migrate-server:migrate_live    # Migrate
admin       os-migrate-server:migrate:host os-migrate-server:migrate_live:host  # Migrate to a chosen host
manager     servers:migrations:index servers:migrations:force_complete servers:migrations:delete  # Running migrations
admin       servers:migrations:show servers:migrations:index:host       # Details of a running migration
manager     os-migrations:index                                         # List migrations
admin       os-migrations:index:all_projects os-migrations:index:host   # List migrations of all projects
reader      os-attach-interfaces:list os-attach-interfaces:show         # Interfaces
member      os-attach-interfaces:create os-attach-interfaces:delete     # Attach and detach interfaces
reader      os-volumes-attachments:index os-volumes-attachments:show    # Volumes of a server
member      os-volumes-attachments:create os-volumes-attachments:update os-volumes-attachments:delete  # Attach volumes
service     os-volumes-attachments:swap                                 # Swap a volume
reader      os-server-tags:index os-server-tags:show                    # Read tags
member      os-server-tags:update os-server-tags:update_all os-server-tags:delete os-server-tags:delete_all  # Tags
reader      os-server-shares:index os-server-shares:show                # Read shares
member      os-server-shares:create os-server-shares:delete             # Attach shares
service     os-server-external-events:create                            # Tell what happened to a server elsewhere
service     os-assisted-volume-snapshots:create os-assisted-volume-snapshots:delete  # Snapshots of volume files
"""),
    *rules("os_compute_api:", """
admin       os-simple-tenant-usage:list                                 # Usage of all projects
reader      os-simple-tenant-usage:show                                 # Usage of a project
admin       os-instance-usage-audit-log:list os-instance-usage-audit-log:show  # Usage audit
admin       os-baremetal-nodes:list os-baremetal-nodes:show             # Bare metal of old
reader      os-networks:list os-networks:show os-tenant-networks:list os-tenant-networks:show  # Networks of old
member      os-multinic:add os-multinic:remove                          # Fixed addresses
reader      os-floating-ips:list os-floating-ips:show                   # Floating addresses
member      os-floating-ips:create os-floating-ips:delete os-floating-ips:add os-floating-ips:remove  # Use them
any         os-floating-ip-pools                                        # Pools
reader      os-security-groups:get os-security-groups:show os-security-groups:list  # Security groups
member      os-security-groups:create os-security-groups:update os-security-groups:delete  # Security groups
member      os-security-groups:rule:create os-security-groups:rule:delete  # Security group rules
member      os-security-groups:add os-security-groups:remove            # Security groups of a server
reader      os-volumes:list os-volumes:detail os-volumes:show           # Volumes
reader      os-volumes:snapshots:list os-volumes:snapshots:detail os-volumes:snapshots:show  # Snapshots
member      os-volumes:create os-volumes:delete                         # Create and delete volumes
member      os-volumes:snapshots:create os-volumes:snapshots:delete     # Create and delete snapshots
"""),
    *rules("", """
admin       compute:aggregates:images                                   # Pre-cache images on an aggregate
member      compute:placement-explain                                   # Ask what would become of a create
admin       compute:placement-explain:hosts                             # See in it hosts by name and their weights
admin       compute:host-drains:index compute:host-drains:show          # See which hosts are being emptied
admin       compute:host-drains:create compute:host-drains:delete       # Empty hosts
admin       compute:servers:create:requested_destination                # Ask for a host that the scheduler checks
nobody      compute:servers:resize:cross_cell                           # Resize across cells
reader      compute:server:topology:index                               # Guest NUMA topology
admin       compute:server:topology:host:index                          # Host side of the topology
admin       network:attach_external_network                             # Attach to an external network
"""),
]
