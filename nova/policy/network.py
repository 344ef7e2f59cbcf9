# SPDX-License-Identifier: Apache-2.0
"""The rules of the Networking API: which role it takes. Whose networks somebody sees or changes the library decides."""

from __future__ import annotations

from nova.policy.base import rules

RULES = [
    *rules("", """
reader      get_network get_subnet get_port get_floatingip get_security_group get_security_group_rule  # Read networks
reader      get_extension get_router get_quota                          # What there is, and how much of it
member      create_network update_network delete_network                # Networks of the own project
member      create_subnet update_subnet delete_subnet                   # Their addresses
admin       create_network:shared create_network:router:external        # Networks for all projects
member      create_port update_port delete_port                         # Ports of the own project
member      create_floatingip update_floatingip delete_floatingip       # Floating addresses
admin       create_floatingip:floating_ip_address                       # Take a certain address
member      create_security_group update_security_group delete_security_group  # Security groups
member      create_security_group_rule delete_security_group_rule       # Rules of security groups
admin       update_quota delete_quota                                   # Change quotas of networks
""")]
