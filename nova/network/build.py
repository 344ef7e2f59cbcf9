# SPDX-License-Identifier: Apache-2.0
"""Puts a host's network manager together as its configuration says; used by whatever process runs it."""

from __future__ import annotations

from oslo_config import cfg

from nova.network.manager import NetworkManager, NetworkStore
from nova.network.plumbing import NullPlumbing


def network_manager(conf: cfg.ConfigOpts, host: str, store: NetworkStore) -> NetworkManager:
    """A manager that is not started yet. With ``network.manager = none`` it needs no root and touches nothing."""
    if conf.network.manager == "none":
        return NetworkManager(conf, host, store, NullPlumbing())
    from nova.network.flatdhcp import FlatDHCP  # netlink costs 15 MiB, and nothing else here needs it

    return NetworkManager(conf, host, store, FlatDHCP(conf))
