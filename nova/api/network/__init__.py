# SPDX-License-Identifier: Apache-2.0
"""The Networking API v2.0 over the networks, ports, addresses and security groups of this cloud."""
