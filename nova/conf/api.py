# SPDX-License-Identifier: Apache-2.0
"""How the Compute API answers."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "api"

OPTS: list[cfg.Opt] = [
    cfg.IntOpt("max_limit", default=1000, min=1,
               help="The most items that one page of a list holds, whatever limit the request asks for."),
    cfg.IntOpt("max_request_body_size", default=114688, min=1024,
               help="The most bytes that the body of a request may have. Image uploads have a limit of their own."),
    cfg.BoolOpt("enable_instance_password", default=True,
                help="Show the administrator's password of a new server in the answer to its creation."),
    cfg.BoolOpt("list_records_by_skipping_down_cells", default=True,
                help="Leave servers of a cell that does not answer out of lists. When off, such a list is an error."),
    cfg.BoolOpt("network_in_catalog", default=False,
                help="Name the Networking API in the catalogue. Clients that find it there use it, and no longer the "
                     "network parts of the Compute API, which end at microversion 2.35. It answers at /network in "
                     "either case; there are no routers, and interfaces cannot be plugged into running servers yet."),
    cfg.BoolOpt("enable_proxy_headers_parsing", default=False,
                help="Believe X-Forwarded-Proto, -Host and -Prefix when links are written. Only behind a proxy that "
                     "sets them itself; otherwise anybody could choose the links that others get."),
    cfg.FloatOpt("attach_timeout", default=60.0, min=0,
                 help="Seconds that the answer to a request to attach an interface waits for its end: it shows the "
                      "port. What nobody has begun by then is taken back, and refused with 503."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
