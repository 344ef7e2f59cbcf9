# SPDX-License-Identifier: Apache-2.0
"""Where a server goes, a function of a snapshot: ``engine`` decides, ``cache`` keeps it, ``manager`` serves."""
