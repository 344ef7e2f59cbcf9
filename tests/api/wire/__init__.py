# SPDX-License-Identifier: Apache-2.0
"""The Compute API compared, exchange by exchange, with what a running Nova 34.0.0 answered."""
