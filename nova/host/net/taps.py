# SPDX-License-Identifier: Apache-2.0
"""Taps that we make ourselves, for drivers that want one ready. libvirt makes its own for interfaces of type bridge."""

from __future__ import annotations

import errno

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from nova import concurrency, errors
from nova.host.net import links


def ensure(name: str, bridge: str, mtu: int = 1500, owner: int | None = None) -> None:
    """A persistent tap that is a port of the bridge. ``owner`` is the user id that may open it."""
    if not links.exists(name):
        concurrency.offload(_create, name, owner)
    links.attach(name, bridge, mtu)


def _create(name: str, owner: int | None) -> None:
    extra = {} if owner is None else {"uid": owner}
    try:
        with IPRoute() as ipr:
            ipr.link("add", ifname=name, kind="tuntap", mode="tap", **extra)
    except NetlinkError as e:
        if e.code != errno.EEXIST:
            raise errors.HostFailure(f"tap {name}: {e.args[1]}", errno=e.code) from e
    except OSError as e:
        raise errors.HostFailure(f"tap {name}: {e.strerror}", errno=e.errno) from e


def remove(name: str) -> None:
    links.remove(name)
