# SPDX-License-Identifier: Apache-2.0
"""The log of usage audits over a month. No host of ours runs them: usage is read from the servers' rows when asked."""

from __future__ import annotations

import datetime
from typing import Any

from nova import concurrency, errors
from nova.api.compute.hosts import COMPUTE, Hosts
from nova.api.compute.servers import SHOW
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import Route

_RULE = "os_compute_api:os-instance-usage-audit-log:"
_PATH = "/os-instance_usage_audit_log"
ROUTES = (
    Route("GET", _PATH, "index", rule=_RULE + "list", query=SHOW, doc="Audits of the last month"),
    Route("GET", _PATH + "/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Audits of the month before a time"),
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
        end = datetime.datetime.fromtimestamp(before, datetime.UTC).replace(day=1, hour=0, minute=0, second=0,
                                                                            microsecond=0)
        start = (end - datetime.timedelta(days=1)).replace(day=1) if end > _FIRST else end
        hosts = [x.row["host"] for x in self._hosts.services() if x.known and x.row["binary"] == COMPUTE]
        return {"period_beginning": f"{start:%Y-%m-%d %H:%M:%S}", "period_ending": f"{end:%Y-%m-%d %H:%M:%S}",
                "num_hosts": len(hosts), "num_hosts_done": 0, "num_hosts_running": 0, "num_hosts_not_run": len(hosts),
                "hosts_not_run": hosts, "total_instances": 0, "total_errors": 0, "log": {},
                "overall_status": f"0 of {len(hosts)} hosts done. 0 errors."}


_FIRST = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
