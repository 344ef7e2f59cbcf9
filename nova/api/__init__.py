# SPDX-License-Identifier: Apache-2.0
"""HTTP fronts, one package per API. Rules of the product are in the libraries and operations below."""
