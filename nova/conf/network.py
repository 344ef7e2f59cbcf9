# SPDX-License-Identifier: Apache-2.0
"""How a host connects its guests: bridges, DHCP, translation to the outside, metadata."""

from __future__ import annotations

from oslo_config import cfg, types

GROUP: str | None = "network"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "manager", default="flatdhcp", choices=[
            ("flatdhcp", "one bridge per network with a DHCP server on it; this host is the guests' gateway"),
            ("none", "addresses are allocated, but nothing is set up on the host; for the fake driver")],
        help="What nova-network does on this host."),
    cfg.StrOpt(
        "networks_path", default="$state_path/networks",
        help="Directory of what nova-network and dnsmasq share. Must be readable for dnsmasq_user."),
    cfg.StrOpt(
        "flat_interface",
        help="Network interface, without an address of its own, that joins the bridges of all hosts. Unset: guests on "
             "different hosts reach each other only through their hosts' gateways."),
    cfg.StrOpt(
        "public_interface",
        help="Interface through which guests reach the outside. Unset: whatever the host's routes say."),
    cfg.IPOpt(
        "routing_source_ip", version=4,
        help="Address that guests' connections to the outside come from. Unset: that of the interface they leave by."),
    cfg.BoolOpt(
        "snat", default=True,
        help="Translate guests' addresses for connections to the outside."),
    cfg.IntOpt(
        "dhcp_lease_time", default=120, min=60, max=86400,
        help="Seconds that a guest may use its address until it must ask again. Given to networks when they are made; "
             "the address of a deleted server is free again after this time."),
    cfg.ListOpt(
        "dns_servers", default=[], item_type=types.IPAddress(),
        help="Name servers for guests of networks that name none. Empty: dnsmasq answers them by the host's own."),
    cfg.StrOpt(
        "dhcp_domain", default="novalocal",
        help="Domain that guests are told. Empty: none."),
    cfg.StrOpt(
        "dnsmasq_user", default="",
        help="User that dnsmasq runs as. Empty: 'nobody' if that user can read networks_path, or else the user of "
             "nova-network."),
    cfg.StrOpt(
        "dnsmasq_config_file", default="",
        help="A file of dnsmasq options that are added to ours."),
    cfg.StrOpt(
        "dhcpbridge", default="",
        help="Path of the nova-dhcpbridge program, which dnsmasq runs at every change of a lease. Empty: the one "
             "beside the Python of this process."),
    cfg.StrOpt(
        "table", default="nova",
        help="Name of the nftables tables (families bridge and inet) that belong to this nova-network alone. Two "
             "clouds on one host need two names."),
    cfg.HostAddressOpt(
        "metadata_host",
        help="Address of the metadata service that 169.254.169.254 leads to. Unset: guests have no metadata service."),
    cfg.PortOpt("metadata_port", default=8775, help="Port of the metadata service."),
    cfg.FloatOpt(
        "sync_interval", default=60.0, min=1,
        help="Seconds between two looks for changed documents and missing rules; messages make it sooner."),
    cfg.FloatOpt("command_timeout", default=30.0, min=1, help="Seconds that nft and dnsmasq may take to answer."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
