# SPDX-License-Identifier: Apache-2.0
"""Weighers: one small class per file. The base and the rules that all keep are in :mod:`.base`."""
