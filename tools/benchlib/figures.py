# SPDX-License-Identifier: Apache-2.0
"""The measures by name, what the reference implementation reached, and what we aim for."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. ``higher``: more is better."""

    key: str
    title: str
    unit: str
    higher: bool
    reference: float | None = None
    reach: float | None = None


#: Reference: Nova 34.0.0 on 2 cores (2 API, 2 conductor, 2 scheduler workers, 20 fake computes, MariaDB, RabbitMQ).
FIGURES = (
    Figure("memory", "memory idle (PSS), all daemons", "MiB", False, 3660, 1250),
    Figure("memory_largest", "memory idle (PSS), largest daemon", "MiB", False),
    Figure("boot", "{boot} servers, {clients} at a time, POST to all ACTIVE", "/s", True, 2.3, 35),
    Figure("boot_cpu", "  processor time of a server", "CPU-s", False, 0.79, 0.05),
    Figure("multi", "one request, min_count={multi}", "/s", True, 2.7, 60),
    Figure("one", "one server, POST to ACTIVE, p50", "ms", False, 740, 100),
    Figure("stop", "stop {act}, settled", "s", False, 3.1, 0.6),
    Figure("stop_cpu", "  processor time of a stop", "CPU-s", False),
    Figure("start", "start {act}, settled", "s", False, 5.4, 0.6),
    Figure("start_cpu", "  processor time of a start", "CPU-s", False),
    Figure("show", "GET /servers/ID, one client, p50", "ms", False, 40, 3),
    Figure("show_rate", "GET /servers/ID, {clients} clients", "/s", True, 50, 750),
    Figure("flavors", "GET /flavors/detail, {clients} clients", "/s", True, 110, 1500),
    Figure("detail", "GET /servers/detail, {servers} servers, p50", "ms", False, 3330, 60),
    Figure("list", "GET /servers, {servers} servers, p50", "ms", False, 1430, 30),
    Figure("page_first", "page of 1,000 details, the first, p50", "ms", False, None, 80),
    Figure("page_late", "  page {pages}", "ms", False, None, 80),
    Figure("by_tag", "details by tag, p50", "ms", False, None, 100),
    Figure("by_ip", "  by address", "ms", False, None, 100),
    Figure("by_status", "  by status", "ms", False, None, 100),
    Figure("by_name", "  by name", "ms", False, None, 100),
    Figure("delete", "delete {boot}", "/s", True, 4.6, 60),
    Figure("delete_cpu", "  processor time of a delete", "CPU-s", False),
    Figure("streams_memory", "{streams} event streams, memory", "MiB", False, None, 50),
    Figure("streams_cpu", "  processor while idle", "cores", False, None, 0.1),
    Figure("streams_event", "  an event reaches all", "ms", False, None, 200),
    Figure("streams_show", "  GET /servers/ID, {clients} clients, p99 meanwhile", "ms", False),
)

BY_KEY = {figure.key: figure for figure in FIGURES}
