# SPDX-License-Identifier: Apache-2.0
"""The programs as processes: daemons under the systemd protocol, nova-manage, nova-standalone."""
