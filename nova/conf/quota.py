# SPDX-License-Identifier: Apache-2.0
"""Limits that hold for projects without limits of their own. −1 stands for no limit."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "quota"


def _limit(name: str, default: int, what: str) -> cfg.IntOpt:
    return cfg.IntOpt(name, default=default, min=-1, mutable=True,
                      help=f"{what} -1 for no limit. The quota API overrides this for all, for a project or a user.")


OPTS: list[cfg.Opt] = [
    _limit("instances", 10, "How many servers a project may have."),
    _limit("cores", 20, "How many virtual CPUs the servers of a project may have together."),
    _limit("ram", 51200, "How much memory, in MiB, the servers of a project may have together."),
    _limit("metadata_items", 128, "How many metadata items a server may have."),
    _limit("injected_files", 5, "How many files a request may put into a new server (before microversion 2.57)."),
    _limit("injected_file_content_bytes", 10240, "How many bytes such a file may have."),
    _limit("injected_file_path_bytes", 255, "How many bytes the path of such a file may have."),
    _limit("key_pairs", 100, "How many key pairs a user may have."),
    _limit("server_groups", 10, "How many server groups a project may have."),
    _limit("server_group_members", 10, "How many servers a server group may have."),
    _limit("floating_ips", 10, "How many floating addresses a project may have."),
    _limit("security_groups", 10, "How many security groups a project may have, the group default among them."),
    _limit("security_group_rules", 20, "How many rules a security group may have in each direction."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
