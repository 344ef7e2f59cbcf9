# SPDX-License-Identifier: Apache-2.0
"""From configuration to the values that the engine takes. Nothing else in the scheduler reads the configuration."""

from __future__ import annotations

from oslo_config import cfg

from nova.scheduler import registry
from nova.scheduler.engine import Options


def from_conf(conf: cfg.ConfigOpts) -> Options:
    """Filters, weighers and their multipliers; ConfigError when a name is unknown.

    A weigher of an operator without a multiplier option of ours counts with its own default.
    """
    section = conf.filter_scheduler
    weighers = registry.weighers(section.enabled_weighers)
    return Options(
        filters=registry.filters(section.enabled_filters), weighers=weighers,
        multipliers=tuple(float(getattr(section, w.option, w.default)) for w in weighers),
        host_subset_size=section.host_subset_size,
        shuffle_best_same_weighed_hosts=section.shuffle_best_same_weighed_hosts,
        max_attempts=conf.scheduler.max_attempts)
