# SPDX-License-Identifier: Apache-2.0
"""A question that is said again when no answer comes: who had it in hand may have died with it, and be back by now.

Only for what may be done twice. Each saying has more time than the one before: those that are slow are waited for, and
one who has too much to do is not given much more by it; what nobody waits for any longer is dropped by brokers and
servers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from nova import concurrency
from nova.context import RequestContext
from nova.rpc.messages import Unanswered

LOG = logging.getLogger(__name__)

#: Seconds for the answer to each saying. The first ends long before somebody who waits for the restarted one gives up.
SAYINGS = (2.5, 5.0, 10.0)
#: All but the last are so much shorter or longer, by chance: those who lost the same one do not come back at once.
_SPREAD = 0.2


def ask(bus: Any, context: RequestContext, topic: str, method: str, *, namespace: str, args: Mapping[str, Any],
        server: str | None = None, sayings: Sequence[float] = SAYINGS) -> Any:
    """The answer of that server, or of any that listens on the topic; raises what the other side raised, and
    Unavailable when there is none to the last saying either."""
    *first, last = sayings
    for limit in first:
        try:
            return bus.call(context, topic, method, namespace=namespace, server=server, args=args,
                            timeout=limit * concurrency.random().uniform(1 - _SPREAD, 1 + _SPREAD))
        except Unanswered as e:
            LOG.info("%s; it is asked again", e.message)
    return bus.call(context, topic, method, namespace=namespace, server=server, args=args, timeout=last)
