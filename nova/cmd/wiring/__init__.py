# SPDX-License-Identifier: Apache-2.0
"""The object graphs of the processes, one file per service, shared by the daemons and the standalone cloud."""
