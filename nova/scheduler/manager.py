# SPDX-License-Identifier: Apache-2.0
"""nova-scheduler: answers where servers should go. It decides; the claim of whoever asked makes the decision true."""

from __future__ import annotations

from typing import Any

from nova import concurrency
from nova.clients import scheduler as client
from nova.context import RequestContext
from nova.db.api import server_groups
from nova.db.engine import Database
from nova.rpc.endpoint import Endpoint
from nova.scheduler import engine, explain, rehearsal
from nova.scheduler.cache import HostStateCache
from nova.scheduler.engine import Options
from nova.scheduler.source import locate
from nova.scheduler.spec import RequestSpec
from nova.store import record_events

#: How many ranked hosts an answer carries: enough for refused claims and alternates.
_RANKED = 20


class SchedulerManager(Endpoint):
    namespace = client.NAMESPACE
    version = "1.2"

    def __init__(self, api: Database, cache: HostStateCache, options: Options) -> None:
        self._api, self._cache, self._options = api, cache, options

    def select(self, context: RequestContext, specs: list[dict[str, Any]], fresh: bool = False) -> list[dict[str, Any]]:
        """One decision per spec, in order; each counts the ones before it."""
        decisions = [self._decide(RequestSpec.from_dict(self._with_members(spec)), fresh and index == 0)
                     for index, spec in enumerate(specs)]
        if specs and record_events.listened(self._api):
            self._api.run(lambda conn: record_events.destinations(conn, context, specs))
        return decisions

    def outdate(self, context: RequestContext) -> None:
        """The next decision looks at the databases first."""
        self._cache.outdate()

    def explain(self, context: RequestContext, spec: dict[str, Any], count: int = 1) -> dict[str, Any]:
        """What would become of ``count`` servers of a spec now: the first decision, and the one that finds no host."""
        wanted = RequestSpec.from_dict(self._with_members(spec))
        hosts = self._cache.snapshot(0)
        if wanted.named_servers():
            with self._api.read() as conn:
                wanted = locate(conn, wanted, self._cache)
        return rehearsal.rehearse(wanted, hosts, self._options, count)

    def _with_members(self, spec: dict[str, Any]) -> dict[str, Any]:
        group = spec.get("group")
        if not group:
            return spec
        with self._api.read() as conn:
            members = server_groups.members_of(conn, [group["uuid"]]).get(group["uuid"], [])
        return spec | {"group": group | {"members": members}}

    def _decide(self, spec: RequestSpec, fresh: bool) -> dict[str, Any]:
        hosts = self._cache.snapshot(0 if fresh else None)
        if spec.named_servers():
            with self._api.read() as conn:
                spec = locate(conn, spec, self._cache)
        decision = engine.decide(spec, hosts, self._options, concurrency.random())
        if decision.selected is not None:
            if not spec.rebuild:
                self._cache.consume(decision.selected.uuid, spec.resources)
        elif not fresh:
            return self._decide(spec, True)  # what is counted may be behind: a refusal is only told of a fresh view
        ranked = [engine.selection(host).to_dict() for host in decision.ranked.hosts[:_RANKED]]
        refused = decision.selected is None
        return decision.to_dict() | {"ranked": ranked, "max_alternates": self._options.max_attempts - 1,
                                     "message": explain.fault_message(decision) if refused else "",
                                     "table": explain.table(decision) if refused else ""}
