# SPDX-License-Identifier: Apache-2.0
"""Tables and queries. Nothing here knows objects, requests or the bus; every function takes a connection.

``nova.db.api`` is the global database, ``nova.db.cell`` that of one cell; one module per aggregate in each.
"""
