# SPDX-License-Identifier: Apache-2.0
"""Usage audits: once a period, what exists is told as notifications, for whoever bills or counts."""

from __future__ import annotations

from oslo_config import cfg

from nova import errors

GROUP: str | None = None

#: Unit → the least and the greatest number that may stand behind the @.
UNITS = {"hour": (0, 59), "day": (0, 23), "month": (1, 28), "year": (1, 12)}

OPTS: list[cfg.Opt] = [
    cfg.BoolOpt("instance_usage_audit", default=False,
                help="Once per period, send instance.exists for every server that was on a host in it, and keep a log "
                     "of that, which GET /os-instance_usage_audit_log shows. Orchestrators do it."),
    cfg.StrOpt("instance_usage_audit_period", default="month",
               help="The period of usage audits: hour, day, month or year, with @ and the minute, hour, day or month "
                    "at which it begins, if that is not the first: day@6 is from six in the morning on. All "
                    "processes of the control plane must agree on it."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)


def parse(period: str) -> tuple[str, int]:
    """``day@6`` → ("day", 6)."""
    unit, at, begins = period.partition("@")
    if unit in UNITS:
        least, greatest = UNITS[unit]
        number = int(begins) if begins.isascii() and begins.isdigit() else -1 if at else least
        if least <= number <= greatest:
            return unit, number
    raise errors.ConfigError(f"[DEFAULT] instance_usage_audit_period is {period!r}; say hour, day, month or year, and "
                             "behind an @ when it begins (hour@0 to 59, day@0 to 23, month@1 to 28, year@1 to 12)")


def validate(conf: cfg.ConfigOpts) -> None:
    parse(conf.instance_usage_audit_period)
