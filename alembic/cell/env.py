# SPDX-License-Identifier: Apache-2.0
"""Runs the migrations of this directory on the connection that nova.db.migrate hands in; reads no configuration."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    compare_type=True,
    render_as_batch=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
