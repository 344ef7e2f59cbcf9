# SPDX-License-Identifier: Apache-2.0
"""A write whose race with another is the client's to repeat: 409 with the code that clients know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import exc

from nova import errors
from nova.db.engine import Database
from nova.placement.providers import CONCURRENT


@contextlib.contextmanager
def writing(database: Database) -> Iterator[sa.Connection]:
    """One transaction. A duplicate key or a deadlock means that another request was faster."""
    try:
        with database.write() as conn:
            yield conn
    except (exc.IntegrityError, exc.OperationalError) as e:
        raise errors.Conflict("Another request changed the same at the same time; please try again.",
                              placement_code=CONCURRENT) from e
