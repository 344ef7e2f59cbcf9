# SPDX-License-Identifier: Apache-2.0
"""Short ways to write hosts, requests and options in the tests of the scheduler."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from nova import conf as nova_conf
from nova.scheduler import options
from nova.scheduler.engine import Options
from nova.scheduler.hosts import HostState, Inventory
from nova.scheduler.spec import RequestSpec

TINY = {"vcpus": 1, "memory_mb": 512, "root_gb": 1}


def host(name: str = "h1", *, vcpu: int = 8, ram: int = 8192, disk: int = 100, **fields: Any) -> HostState:
    """A host with that much free; ``used`` amounts are in ``fields['inventories']`` when they matter."""
    inventories = {"VCPU": Inventory(vcpu), "MEMORY_MB": Inventory(ram), "DISK_GB": Inventory(disk)}
    defaults: dict[str, Any] = {"cell_uuid": "cell1", "inventories": inventories,
                                "supported_instances": (("x86_64", "qemu", "hvm"),)}
    return HostState(**({"uuid": f"uuid-{name}", "host": name, "node": name} | defaults | fields))


def spec(**fields: Any) -> RequestSpec:
    return RequestSpec.from_dict({"instance_uuid": "new", "flavor": TINY} | fields)


def group(policy: str, hosts: dict[str, int], **rules: int) -> dict[str, Any]:
    return {"uuid": "group", "policy": policy, "rules": rules, "hosts": hosts}


def make_conf(**overrides: Any) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    nova_conf.register_all(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in overrides.items():
        section, _, option = name.partition("__")
        conf.set_override(option, value, group=section)
    return conf


def make_options(**overrides: Any) -> Options:
    """The default options; ``filter_scheduler__host_subset_size=2`` and the like override."""
    return options.from_conf(make_conf(**overrides))
