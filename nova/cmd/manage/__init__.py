# SPDX-License-Identifier: Apache-2.0
"""nova-manage: what an operator does to databases, cells and hosts directly. One file per group of commands."""

from nova.cmd.manage.commands import main

__all__ = ["main"]
