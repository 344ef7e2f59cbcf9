# SPDX-License-Identifier: Apache-2.0
"""Hypervisor drivers and the interfaces between them and nova-compute. No database, no bus, no manager in here."""
