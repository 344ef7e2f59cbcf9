# SPDX-License-Identifier: Apache-2.0
"""Whether a project that a request names exists, as far as the identity service lets us ask."""

from __future__ import annotations

from collections.abc import Callable

from nova import errors


class Projects:
    """``exists(project_id)`` tells; without it, every project is believed, as when the identity service cannot say."""

    def __init__(self, exists: Callable[[str], bool] | None = None) -> None:
        self._exists = exists

    def require(self, project_id: str) -> None:
        """Raise :class:`errors.Invalid` for a project that is not there."""
        if self._exists is not None and not self._exists(project_id):
            raise errors.Invalid(f"Project ID {project_id} is not a valid project.")
