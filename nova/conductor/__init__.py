# SPDX-License-Identifier: Apache-2.0
"""nova-conductor. Role ``cell`` serves objects to the hosts of its cell; role ``api`` moves operations at API level,
applies inventories to placement, and finds what was left behind."""
