# SPDX-License-Identifier: Apache-2.0
"""What a user may ask for: state check, quota and acceptance. Every front calls this, nothing below answers users.

``Operations`` is the one way in. Accepting means: one transaction that writes the operation's row, then the answer,
then a nudge. All methods raise errors of :mod:`nova.errors`; NotFound for servers of other projects.

    operations.create(context, CreateRequest(...)) -> Created(servers=[rows], reservation_id)
    operations.delete(context, uuid)
    operations.start/stop(context, uuid); operations.reboot(context, uuid, "SOFT" | "HARD")
    operations.update(context, uuid, {"display_name": ...}) -> row
    operations.replace_metadata / merge_metadata / delete_metadata
    operations.lock(context, uuid, reason) / unlock; operations.reset_state(context, uuid, "active" | "error")
    operations.console_output(context, uuid, length) -> str
"""

from nova.operations.create import Created, CreateRequest
from nova.operations.facade import Operations

__all__ = ["CreateRequest", "Created", "Operations"]
