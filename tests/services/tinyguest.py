# SPDX-License-Identifier: Apache-2.0
"""A guest of 512 bytes: greets on its serial port at each boot and shuts down when its power button is pressed. A busy
one writes 24 megabytes of its memory once and four of them over and over, faster than a slow migration sends them.

Made for QEMU's i440FX machine under SeaBIOS, which puts the ACPI power management block at I/O port 0x600. It proves
that a disk was booted, that a console is logged and that a clean stop is clean, within a second even under emulation.
"""

from __future__ import annotations

from pathlib import Path

GREETING = "nova-tiny-guest is up"

_GREET = bytes.fromhex(
    "31c0 8ed8 fc"  # ax = ds = 0, strings go upwards
    "be 0000"  # si = the text; filled in below
    "ac 84c0 7412"  # next: al = [si++], at its end go on below
    "88c4 bafd03 ec a820 74fb"  # wait until the serial port takes a byte
    "88e0 baf803 ee ebe9"  # write it, and back to next
)
_WAIT = bytes.fromhex(
    "ba0206 b80001 ef fb"  # listen to the power button; allow interrupts, for the timer ends the hlt
    "f4 ba0006 ed f6c401 74f6"  # sleep until it is pressed
    "ba0406 b80020 ef f4 ebfd"  # S5: off
)
_FIRST = bytes.fromhex("66bd00006000")  # ebp = the words of 24 MiB
_WRITE = bytes.fromhex(
    "fa 0f01160000"  # again: no interrupts; gdtr = what stands behind the code; filled in below
    "0f20c0 0c01 0f22c0 bb0800 8ec3 24fe 0f22c0"  # es reaches all memory: set while protected mode is on
    "42 66bf00001000 6689e9 6689d0 0c01 6766f3ab"  # another pattern over ebp words from the second MiB on
    "66bd00001000"  # ebp = the words of four MiB
    "31c0 8ec0 fb f4 ebc7"  # allow interrupts, sleep until the next tick of the timer, and again
)
_STOP = bytes.fromhex("faf4")  # in place of the last sti and hlt: it never goes on
_GDT = bytes.fromhex("0000000000000000 ffff00000092cf00")


def boot_sector(*, busy: bool = False, once: bool = False) -> bytes:
    """``once``: a busy one stands still when it has written its memory."""
    text = f"\r\n{GREETING}\r\n\0".encode()
    code = bytearray(_GREET + (_FIRST + _WRITE if busy else _WAIT))
    if once:
        code[-4:-2] = _STOP
    if busy:
        code[-len(_WRITE) + 4:-len(_WRITE) + 6] = (0x7C00 + len(code)).to_bytes(2, "little")
        code += (len(_GDT) - 1).to_bytes(2, "little") + (0x7C00 + len(code) + 6).to_bytes(4, "little") + _GDT
    code[6:8] = (0x7C00 + len(code)).to_bytes(2, "little")
    return (bytes(code) + text).ljust(510, b"\0") + b"\x55\xaa"


def write_raw(path: Path, size: int = 1 << 20) -> Path:
    """A raw disk image with this guest on it."""
    path.write_bytes(boot_sector().ljust(size, b"\0"))
    return path
