# SPDX-License-Identifier: Apache-2.0
"""Images as the conductor sees them: what a build carries. The fronts and their libraries are elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova.context import RequestContext
from nova.db.engine import Database
from nova.images.manager import Images


def image_source(conf: Any, api: Database) -> Callable[[RequestContext, str], dict[str, Any]]:
    """What a build carries of an image, with a signed URL of our own store."""
    return Images.from_conf(conf, api).source
