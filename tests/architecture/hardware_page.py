# SPDX-License-Identifier: Apache-2.0
"""The tables of the page on guests' hardware, made from the catalogue; ``python -m tests.architecture.hardware_page``
writes them into the page."""

from __future__ import annotations

from pathlib import Path

from nova.virt.hardware import catalogue
from nova.virt.hardware.catalogue import Wish

PAGE = Path(__file__).parents[2] / "doc" / "source" / "operator" / "hardware.rst"
BEGIN, END = ".. begin of the tables", ".. end of the tables"
#: Wishes that guests of the contract suite really ran with, on QEMU's emulation. All others are proven as documents.
BOOTED = frozenset("""
cpu_sockets cpu_cores cpu_policy mem_page_size firmware secure_boot machine_type boot_menu vif_multiqueue packed_ring
video_model video_ram video_ram_max rng_bytes watchdog serial_ports guest_agent input_bus sound_model os_type hpet
disk_write_bytes config_drive numa_nodes disk_bus cdrom_bus scsi_model vif_model usb_model pmu pointer_model tpm_version
tpm_model viommu
""".split())
_CLASHES = {"refuse": "refused when they differ", "flavor": "the flavor", "image": "the image", "rule": "its own rule"}


def tables() -> str:
    """What stands between the two marks."""
    rows = [*catalogue.wishes().values(), *catalogue.per_node()]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 24 24 16 12 40 6", "",
             *_row("extra spec", "image property", "values", "when both are given", "effect", "run")]
    for wish in rows:
        both = _CLASHES[wish.clash] if wish.spec and wish.prop else ""
        lines += _row(_code(wish.spec), _code(wish.prop), _values(wish), both, wish.what,
                      "yes" if wish.name in BOOTED else "")
    lines += ["", "Known, and refused rather than overlooked:", "", ".. list-table::", "   :header-rows: 1",
              "   :widths: 30 60", "", *_row("extra spec or image property", "why")]
    for name, why in catalogue.refused().items():
        lines += _row(_code(name), why)
    return "\n".join([*lines, ""])


def _row(*cells: str) -> list[str]:
    return [f"   {'*' if i == 0 else ' '} - {cell}".rstrip() for i, cell in enumerate(cells)]


def _code(name: str | None) -> str:
    return f"``{name}``" if name else ""


def _values(wish: Wish) -> str:
    kinds = {"flag": "true, false", "number": "a number", "text": "text", "cpus": "a set such as 0-3,^2"}
    return kinds.get(wish.kind) or ", ".join(wish.words)


def with_tables(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
