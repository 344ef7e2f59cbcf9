# SPDX-License-Identifier: Apache-2.0
"""The database of one cell, and of cell0 for servers that never got a host. ``metadata`` collects
the tables of the modules of this package."""

import sqlalchemy as sa

metadata = sa.MetaData(naming_convention={
    "ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})
