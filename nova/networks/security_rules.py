# SPDX-License-Identifier: Apache-2.0
"""What makes a rule of a security group: fields as each of the two interfaces gives them, checked, as columns.

``port_min`` and ``port_max`` of ICMP are type and code. None stands for all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from nova import errors

_OLD_PROTOCOLS = ("tcp", "udp", "icmp")
_WITH_PORTS = ("tcp", "udp", "sctp", "udplite", "dccp")
_ICMP = ("icmp", "ipv6-icmp", "icmpv6")
_PROTOCOLS = (*_WITH_PORTS, *_ICMP, "ah", "egp", "esp", "gre", "igmp", "ipip", "ospf", "pgm", "rsvp", "vrrp")
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
_FROM_EVERYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
#: Characters of the longest range, ``ffff:…:ffff/128``.
_LONGEST = 43
Columns = dict[str, Any]


def old(group: Mapping[str, Any], wanted: Mapping[str, Any]) -> Columns:
    """A rule that lets packets in, as ``os-security-group-rules`` asks for it; the source group is known to exist."""
    protocol = str(wanted["ip_protocol"]).lower() if wanted.get("ip_protocol") else None
    low, high, source = wanted.get("from_port"), wanted.get("to_port"), wanted.get("group_id")
    if protocol and low is not None and high is not None:
        low, high = _old_ports(protocol, low, high)
    elif source is None:
        raise errors.Invalid("Not enough parameters to build a valid rule.")
    else:
        low = high = None
        if protocol is not None and protocol not in _OLD_PROTOCOLS:
            raise errors.Invalid(f"Invalid IP protocol {wanted['ip_protocol']}.")
    cidr = None if source else _cidr(wanted.get("cidr") or "0.0.0.0/0")
    ethertype = "IPv6" if cidr and ":" in cidr else "IPv4"
    return _columns(group, direction="ingress", ethertype=ethertype, protocol=protocol, port_min=low, port_max=high,
                    remote_cidr=cidr, remote_group=source)


def _old_ports(protocol: str, low: Any, high: Any) -> tuple[int | None, int | None]:
    try:
        first, last = int(low), int(high)
    except ValueError as e:
        raise errors.Invalid("Type and Code must be integers for ICMP protocol type" if protocol == "icmp"
                             else "To and From ports must be integers") from e
    if protocol not in _OLD_PROTOCOLS:
        raise errors.Invalid(f"Invalid IP protocol {protocol}.")
    if protocol == "icmp":
        if not (-1 <= first <= 255 and -1 <= last <= 255):
            raise errors.Invalid(f"Invalid port range {first}:{last}. For ICMP, the type:code must be valid")
        return (None if first == -1 else first), (None if first == -1 or last == -1 else last)
    if first > last:
        raise errors.Invalid(f"Invalid port range {first}:{last}. Former value cannot be greater than the later")
    if first < 1 or last > 65535:
        raise errors.Invalid(f"Invalid port range {first}:{last}. Valid {protocol.upper()} ports should be between "
                             "1-65535")
    return first, last


def _cidr(text: str) -> str:
    try:
        if len(text.strip()) > _LONGEST or "%" in text:
            raise ValueError(text)
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as e:
        raise errors.Invalid(f"Invalid cidr {text}.") from e
    if "/" in text and network.prefixlen == 0 and text.split("/")[0].strip() not in ("0.0.0.0", "::"):  # noqa: S104
        raise errors.Invalid(f"Bad prefix for network in cidr {text}")
    return text.strip() if "/" in text else str(network)


def rule(group: Mapping[str, Any], wanted: Mapping[str, Any]) -> Columns:
    """A rule as the Networking API asks for it."""
    ethertype = wanted.get("ethertype") or "IPv4"
    protocol = _protocol(wanted.get("protocol"), ethertype)
    low, high = wanted.get("port_range_min"), wanted.get("port_range_max")
    _check_range(protocol, low, high)
    prefix, source = wanted.get("remote_ip_prefix"), wanted.get("remote_group_id")
    if prefix and source:
        raise errors.Invalid("Only remote_ip_prefix or remote_group_id may be provided.")
    cidr = _cidr(prefix) if prefix else None
    if cidr and (":" in cidr) != (ethertype == "IPv6"):
        raise errors.Invalid(f"Conflicting value ethertype {ethertype} for CIDR {prefix}")
    if cidr == _FROM_EVERYWHERE[ethertype]:
        cidr = None
    return _columns(group, direction=wanted["direction"], ethertype=ethertype, protocol=protocol, port_min=low,
                    port_max=high, remote_cidr=cidr, remote_group=source) | {
        "description": wanted.get("description") or ""}


def _protocol(wanted: Any, ethertype: str) -> str | None:
    if wanted is None or str(wanted).lower() in ("any", "0", ""):
        return None
    name = _NUMBERS.get(str(wanted), str(wanted).lower())
    if name.isdigit() and 0 < int(name) < 256:
        return name
    if name not in _PROTOCOLS:
        raise errors.Invalid(f"Security group rule protocol {wanted} not supported.")
    return "ipv6-icmp" if name == "icmpv6" or (name == "icmp" and ethertype == "IPv6") else name


def _check_range(protocol: str | None, low: int | None, high: int | None) -> None:
    if protocol in _ICMP:
        if low is None and high is not None:
            raise errors.Invalid("ICMP code (port-range-max) is provided but ICMP type (port-range-min) is missing.")
        if any(n is not None and not 0 <= n <= 255 for n in (low, high)):
            raise errors.Invalid("Invalid value for ICMP type or code: it must be 0 to 255.")
        return
    if low is None and high is None:
        return
    if protocol not in _WITH_PORTS:
        raise errors.Invalid("Must also specify a protocol that has ports if a port range is given.")
    if low is None or high is None or not 1 <= low <= high <= 65535:
        raise errors.Invalid("For TCP/UDP protocols, port_range_min must be <= port_range_max, both 1 to 65535.")


def _columns(group: Mapping[str, Any], **columns: Any) -> Columns:
    return {"group_uuid": group["uuid"], "project_id": group["project_id"], "description": ""} | columns
