# SPDX-License-Identifier: Apache-2.0
"""Options of the decision: which filters and weighers take part and how much each weigher counts."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "filter_scheduler"


def _multiplier(name: str, default: float, what: str) -> cfg.Opt:
    return cfg.FloatOpt(f"{name}_weight_multiplier", default=default,
                        help=f"How much {what} counts. The sign turns the preference round, 0 switches it off. The "
                             f"same key in the metadata of an aggregate overrides it for the aggregate's hosts.")


OPTS: list[cfg.Opt] = [
    cfg.ListOpt("enabled_filters", default=[
        "ComputeFilter", "AvailabilityZoneFilter", "ImagePropertiesFilter", "TraitsFilter", "RamFilter", "CoreFilter",
        "DiskFilter", "ResourcesFilter", "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter",
        "DifferentHostFilter", "SameHostFilter"],
        help="Filters that a host must pass, in this order; a host that one refuses is not shown to the next, and the "
             "reason given is that of the first. A name that is not ours is looked for in the entry points "
             "nova.scheduler.filters."),
    cfg.ListOpt("enabled_weighers", default=[
        "RAMWeigher", "CPUWeigher", "DiskWeigher", "IoOpsWeigher", "ServerGroupSoftAffinityWeigher",
        "ServerGroupSoftAntiAffinityWeigher", "BuildFailureWeigher"],
        help="Weighers that rank the hosts that passed. A name that is not ours is looked for in the entry points "
             "nova.scheduler.weighers."),
    cfg.IntOpt("host_subset_size", default=1, min=1,
               help="The host is drawn from this many of the best. More than 1 makes two schedulers pick the same host "
                    "less often."),
    cfg.BoolOpt("shuffle_best_same_weighed_hosts", default=False,
                help="Draw the host from all that share the highest weight, instead of taking the first of them."),
    _multiplier("ram", 1.0, "free memory"),
    _multiplier("cpu", 1.0, "the number of free virtual processors"),
    _multiplier("disk", 1.0, "free local disk"),
    _multiplier("io_ops", -1.0, "the number of operations under way on the host"),
    _multiplier("soft_affinity", 1.0, "holding members of a server group with policy soft-affinity"),
    _multiplier("soft_anti_affinity", 1.0, "holding no members of a server group with policy soft-anti-affinity"),
    _multiplier("build_failure", 1000000.0, "having had no failed builds lately"),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
