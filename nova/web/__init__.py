# SPDX-License-Identifier: Apache-2.0
"""The HTTP kernel: routes as values, negotiation, validation, faults, serving. It knows no domain and no database."""
