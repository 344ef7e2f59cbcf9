# SPDX-License-Identifier: Apache-2.0
"""The Placement API: requests and answers only; inventories and claims are kept by ``nova.placement``."""
