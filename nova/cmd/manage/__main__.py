# SPDX-License-Identifier: Apache-2.0
"""``python -m nova.cmd.manage``."""

from nova.cmd.manage import main

main()
