# SPDX-License-Identifier: Apache-2.0
"""Pure parts of the programs."""
