# SPDX-License-Identifier: Apache-2.0
"""The log of usage audits of the last period. A host's audit is one transaction: it is done, or has not run."""

from __future__ import annotations

import datetime
from typing import Any

from nova import concurrency, errors
from nova.api.compute.hosts import COMPUTE, Hosts
from nova.api.compute.servers import SHOW
from nova.store.usage_audit import last_period
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import Route

_RULE = "os_compute_api:os-instance-usage-audit-log:"
_PATH = "/os-instance_usage_audit_log"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "list", query=SHOW, doc="Audits of the last period"),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Audits of the period before a time"),
)


class UsageAudit:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def index(self, request: Request) -> dict[str, Any]:
        return {"instance_usage_audit_logs": self._log(concurrency.time())}

    def show(self, request: Request) -> dict[str, Any]:
        before = request.match["id"]
        try:
            moment = timestamps.parse(before)
        except errors.Invalid as e:
            raise errors.Invalid(f"Invalid timestamp for date {before[:64]}") from e
        return {"instance_usage_audit_log": self._log(moment)}

    def _log(self, before: float) -> dict[str, Any]:
        beginning, ending = last_period(self._hosts.audit_period, before)
        hosts = [x.row["host"] for x in self._hosts.services() if x.known and x.row["binary"] == COMPUTE]
        audits = self._hosts.audits(beginning, ending)
        missing, total = [host for host in hosts if host not in audits], sum(a["errors"] for a in audits.values())
        done = "ALL hosts" if hosts and not missing else f"{len(hosts) - len(missing)} of {len(hosts)} hosts"
        return {"period_beginning": _time(beginning), "period_ending": _time(ending), "num_hosts": len(hosts),
                "num_hosts_done": len(hosts) - len(missing), "num_hosts_running": 0, "num_hosts_not_run": len(missing),
                "hosts_not_run": missing, "total_instances": sum(a["task_items"] for a in audits.values()),
                "total_errors": total, "overall_status": f"{done} done. {total} errors.",
                "log": {host: {"state": "DONE", "instances": a["task_items"], "errors": a["errors"],
                               "message": a["message"]} for host, a in audits.items()}}


def _time(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M:%S}"
