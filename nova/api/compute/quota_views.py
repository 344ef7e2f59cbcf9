# SPDX-License-Identifier: Apache-2.0
"""Which resources quotas and limits show at which microversion."""

from __future__ import annotations

from nova import quota
from nova.web.versions import Version

_INJECTED = ("injected_file_content_bytes", "injected_file_path_bytes", "injected_files")
_GROUPS = ("server_group_members", "server_groups")


def shown(version: Version, *, of_class: bool = False) -> list[str]:
    """Names in the order of the wire. Network resources went in 2.36 (classes: 2.50), injected files in 2.57; classes
    show server groups from 2.50."""
    networks_until = (2, 49) if of_class else (2, 35)
    names = set(quota.RESOURCES)
    if version <= networks_until:
        names |= {*quota.ELSEWHERE, *quota.NETWORK}
    if version >= (2, 57):
        names -= set(_INJECTED)
    if of_class and version < (2, 50):
        names -= set(_GROUPS)
    return sorted(names)


def settable(version: Version, *, of_class: bool = False) -> list[str]:
    """The same, and ``networks`` for as long as there were nova-networks to count."""
    names = shown(version, of_class=of_class)
    return [*names, "networks"] if "fixed_ips" in names else names
