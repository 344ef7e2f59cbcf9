# SPDX-License-Identifier: Apache-2.0
"""The rules of the Placement API: it belongs to administrators and to the services of the cloud."""

from __future__ import annotations

from nova.policy.base import rules

RULES = [
    *rules("placement:", """
service     resource_providers:list resource_providers:show             # See who provides resources
service     resource_providers:create resource_providers:update resource_providers:delete  # Manage providers
service     resource_providers:inventories:list resource_providers:inventories:show        # See inventories
service     resource_providers:inventories:create resource_providers:inventories:update    # Set inventories
service     resource_providers:inventories:delete                       # Remove inventories
service     resource_providers:usages resource_providers:allocations:list  # See what is claimed of a provider
service     resource_providers:aggregates:list resource_providers:aggregates:update        # Aggregates of a provider
service     resource_providers:traits:list resource_providers:traits:update                # Traits of a provider
service     resource_providers:traits:delete                            # Remove the traits of a provider
service     resource_classes:list resource_classes:show                 # See resource classes
service     resource_classes:create resource_classes:update resource_classes:delete        # Manage custom classes
service     traits:list traits:show traits:update traits:delete         # See traits and manage custom ones
service     allocations:list allocations:manage allocations:update allocations:delete      # Claims of consumers
service     allocation_candidates:list                                  # Ask where a request would fit
reader      usages                                                      # See what a project uses
"""),
]
