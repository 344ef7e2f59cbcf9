# SPDX-License-Identifier: Apache-2.0
"""What the API process is made of: the libraries behind the fronts, the fronts, one port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova.context import RequestContext
from nova.db.engine import Database
from nova.images.manager import Images


def image_source(conf: Any, api: Database) -> Callable[[RequestContext, str], dict[str, Any]]:
    """What a build carries of an image, with a signed URL of our own store."""
    return Images.from_conf(conf, api).source
