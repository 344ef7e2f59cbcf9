# SPDX-License-Identifier: Apache-2.0
"""nova-network: makes a host equal to its documents. Definitions and addresses are in ``nova.networks``, not here."""
