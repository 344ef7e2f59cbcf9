# SPDX-License-Identifier: Apache-2.0
"""Requests that nobody would write: from the OpenAPI document, and by spoiling good ones. Seeds are printed."""
