# SPDX-License-Identifier: Apache-2.0
"""Kernel settings without which a host does not route for its guests, or does not filter between them."""

from __future__ import annotations

import pathlib

from nova import errors

SYS = pathlib.Path("/proc/sys/net")


def enable(sysctl: pathlib.Path = SYS) -> None:
    """Route between interfaces, and let bridged packets pass the inet filters, which know connections."""
    _set(sysctl / "ipv4/ip_forward")
    if not (sysctl / "bridge").is_dir():
        raise errors.ConfigError("network.manager: the kernel does not filter bridged packets; load the module "
                                 "br_netfilter (modprobe br_netfilter), or set the option to 'none'")
    _set(sysctl / "bridge/bridge-nf-call-iptables")


def _set(file: pathlib.Path) -> None:
    try:
        if file.read_text().strip() != "1":
            file.write_text("1\n")
    except OSError as e:
        raise errors.ConfigError(f"network.manager: {file} cannot be set to 1 ({e.strerror}); run nova-network with "
                                 "CAP_NET_ADMIN, or set it in /etc/sysctl.d") from e
