# SPDX-License-Identifier: Apache-2.0
"""A distributed compute cloud controller, wire-compatible with the OpenStack Compute API."""

__version__ = "0.1.0"
