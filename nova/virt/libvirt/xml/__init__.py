# SPDX-License-Identifier: Apache-2.0
"""The parts of the document that describes a guest to libvirt, one noun a file. Pure: nothing is asked or made."""
