# SPDX-License-Identifier: Apache-2.0
"""nova-standalone: a whole cloud with one command, for a laptop, CI or a small site."""

from nova.cmd.standalone.commands import main

__all__ = ["main"]
