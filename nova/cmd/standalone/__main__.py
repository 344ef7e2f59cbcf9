# SPDX-License-Identifier: Apache-2.0
"""``python -m nova.cmd.standalone``."""

from nova.cmd.standalone import main

main()
