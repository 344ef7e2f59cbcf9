# SPDX-License-Identifier: Apache-2.0
"""Filters: one small class per file. The base and the rules that all keep are in :mod:`.base`."""
