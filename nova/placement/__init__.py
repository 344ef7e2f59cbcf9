# SPDX-License-Identifier: Apache-2.0
"""Placement as a library over the API database: inventories of hosts and claims of servers on them.

The HTTP front is ``nova.api.placement``; deciding where a server goes is ``nova.scheduler``.
"""
