# SPDX-License-Identifier: Apache-2.0
"""The only code that touches the machine: processes, files, images, bridges. It knows no server and no cloud."""
