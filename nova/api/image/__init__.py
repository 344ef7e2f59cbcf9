# SPDX-License-Identifier: Apache-2.0
"""The Image API v2 front: wire forms and routes over :mod:`nova.images`. Rules of images are not here."""
