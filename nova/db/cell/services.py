# SPDX-License-Identifier: Apache-2.0
"""Services of a cell. See :class:`nova.db.services.ServiceTables` for the queries."""

from nova.db.cell.tables import services as queries

services = queries.services
