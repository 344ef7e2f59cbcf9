# SPDX-License-Identifier: Apache-2.0
"""After a change of network records: the servers it concerns show it at once, and their hosts are nudged."""

from __future__ import annotations

import logging
from collections.abc import Collection

from nova import errors
from nova.clients.network import NetworkClient
from nova.context import RequestContext
from nova.networks.publishing import Publisher
from nova.operations.acceptance import Deps

LOG = logging.getLogger(__name__)
#: So many servers are told while the user waits; the orchestrator tells the others.
AT_ONCE = 20


def bring(deps: Deps, context: RequestContext, instance_uuids: Collection[str] | None = None) -> None:
    """Tell the cells of these servers, or of any that wait. What cannot be told now stays marked."""
    try:
        hosts = Publisher(deps.api, deps.cells).publish(instance_uuids, limit=AT_ONCE)
    except errors.Unavailable as e:
        LOG.warning("a cell will hear of changed networks later: %s", e.message)
        return
    for cell, host in hosts:
        if cell.bus is not None:
            deps.sender.send("network", NetworkClient(cell.bus).refresh, context, host)
