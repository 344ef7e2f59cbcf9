# SPDX-License-Identifier: Apache-2.0
"""How parts reach each other: one thin client per service, and Store and Journal over RPC for hosts."""
