# SPDX-License-Identifier: Apache-2.0
"""Words of the broker that every part of a cloud must agree on."""

#: Where topics stand.
EXCHANGE = "nova"
#: The scheme of addresses of buses that live in one process.
MEMORY = "nova-memory"
