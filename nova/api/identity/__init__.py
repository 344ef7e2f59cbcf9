# SPDX-License-Identifier: Apache-2.0
"""Identity API v3 over the auth manager: a file per noun, its routes on top. ``front`` puts them together."""
