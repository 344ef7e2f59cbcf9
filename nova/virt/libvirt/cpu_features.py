# SPDX-License-Identifier: Apache-2.0
"""Which features of processors guests of this host see, asked of libvirt once at start."""

from __future__ import annotations

from typing import Any

from lxml import etree
from lxml.builder import E

from nova import errors
from nova.virt.libvirt.offers import Offers

#: What QEMU gives without being told: the model of cpu_mode none on x86.
BARE = {"x86_64": "qemu64"}


def of_models(libvirt: Any, conn: Any, arch: str, virt_type: str, models: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Features by model; ConfigError for a model that libvirt does not know."""
    found = {}
    for model in models:
        try:
            found[model] = _expand(libvirt, conn, arch, virt_type, _named(model))
        except libvirt.libvirtError as e:
            raise errors.ConfigError(f"libvirt.cpu_models = {model}: {e.get_error_message()}. `virsh cpu-models "
                                     f"{arch}` lists those that there are.") from e
    return found


def of_guests(libvirt: Any, conn: Any, arch: str, virt_type: str, mode: str, offers: Offers,
              models: dict[str, frozenset[str]]) -> frozenset[str]:
    """What a guest may count on, or with several models choose."""
    if mode == "custom":
        return frozenset().union(*models.values())
    document = _named(BARE[arch]) if mode == "none" and arch in BARE else None
    if mode != "none":
        document = offers.host_model
    return frozenset() if document is None else _expand(libvirt, conn, arch, virt_type, document)


def _named(model: str) -> str:
    text: str = etree.tostring(E.cpu(E.model(model, fallback="forbid"), mode="custom", match="exact"),
                               encoding="unicode")
    return text


def _expand(libvirt: Any, conn: Any, arch: str, virt_type: str, document: str) -> frozenset[str]:
    told = conn.baselineHypervisorCPU(None, arch, None, virt_type, [document],
                                      libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES)
    return frozenset(f.get("name") for f in etree.fromstring(told).findall("feature") if f.get("policy") != "disable")
