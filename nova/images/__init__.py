# SPDX-License-Identifier: Apache-2.0
"""Images: records in the API database, bytes in a file store. A library; its HTTP front is :mod:`nova.api.image`."""
