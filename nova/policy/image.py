# SPDX-License-Identifier: Apache-2.0
"""The rules of the Image API: which role it takes. Whose images somebody sees or changes is decided by the library."""

from __future__ import annotations

from nova.policy.base import rules

RULES = [
    *rules("image:", """
reader      get_images get_image download_image                         # Read images that one may see
member      add_image modify_image delete_image upload_image            # Manage images of the own project
reader      get_members get_member                                      # See with whom images are shared
member      add_member delete_member                                    # Share images of the own project
member      modify_member                                               # Accept or reject an image shared with one
member      deactivate reactivate                                       # Bar and restore the download of an own image
"""),
]
