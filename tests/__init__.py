# SPDX-License-Identifier: Apache-2.0
"""The tests; the suites stand in directories of their own, see tools/test.sh."""
