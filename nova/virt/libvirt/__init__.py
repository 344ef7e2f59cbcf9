# SPDX-License-Identifier: Apache-2.0
"""Guests under QEMU and KVM, through the libvirt daemon of this host."""
