# SPDX-License-Identifier: Apache-2.0
"""The Image API as one WSGI application."""

from __future__ import annotations

from oslo_config import cfg

from nova.api.image import about, files, images, members, patches, schemas
from nova.api.image.signed import SignedUrls
from nova.api.image.views import ImageFaults
from nova.images.manager import Images
from nova.web.front import Authenticator, Front, FrontOptions, PolicyChecker
from nova.web.health import Health


def make_front(conf: cfg.ConfigOpts, library: Images, *, authenticator: Authenticator | None,
               policy: PolicyChecker | None, checks: Health | None = None) -> Front:
    """The front over ``library``; without an authenticator only signed URLs and public pages are served."""
    section = conf.image
    resources = (about.resource(section.public_endpoint), images.resource(library),
                 files.resource(library, section.image_size_cap), members.resource(library),
                 schemas.resource(library.limits))
    options = FrontOptions(strict_slash=True, media_types=frozenset({"application/json", patches.V20, patches.V21}))
    return Front("image", resources, authenticator=SignedUrls(authenticator, library.signer), policy=policy,
                 style=ImageFaults(), checks=checks, options=options)
