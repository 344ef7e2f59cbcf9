# SPDX-License-Identifier: Apache-2.0
"""Real servers for the tests: each class starts one on the loopback with data of its own, and stops it again."""
