# SPDX-License-Identifier: Apache-2.0
"""The Compute API: one file per resource, its routes in one table at the top; schemas that resources share apart."""
