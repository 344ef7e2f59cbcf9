# SPDX-License-Identifier: Apache-2.0
"""A host's NUMA nodes, as libvirt's capabilities tell of them, and what the operator sets aside of them."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from nova import errors
from nova.virt.hardware import cpusets
from nova.virt.hardware.host import HostNode, HostNodes


def parse(capabilities: str, memory_mb: int, *, dedicated: str | None = None, shared: str | None = None,
          reserved_pages: Iterable[str] = ()) -> HostNodes:
    """``memory_mb`` is what the kernel says there is: libvirt's count may be short, so a single node has it all.

    Raises ConfigError when the sets name processors that are not there, or the same ones twice.
    """
    cells = etree.fromstring(capabilities).findall("host/topology/cells/cell")
    nodes = tuple(_node(cell, memory_mb if len(cells) == 1 else None) for cell in cells)
    online = frozenset().union(*(n.cpus for n in nodes))
    one, other = _set("cpu_dedicated_set", dedicated, online), _set("cpu_shared_set", shared, online)
    if one and other and one & other:
        raise errors.ConfigError(f"compute.cpu_dedicated_set and compute.cpu_shared_set both have "
                                 f"{cpusets.render(one & other)}; a processor belongs to one of them.")
    return HostNodes(nodes, one, other, _reserved(reserved_pages))


def _node(cell: etree._Element, memory_mb: int | None) -> HostNode:
    cpus = {int(c.get("id", "0")): c for c in cell.findall("cpus/cpu")}
    siblings = {cpusets.parse(c.get("siblings") or str(number)) for number, c in cpus.items()}
    sockets = {int(c.get("socket_id") or 0) for c in cpus.values()}
    return HostNode(
        id=int(cell.get("id", "0")),
        cpus=frozenset(cpus),
        memory_mb=memory_mb if memory_mb is not None else int(cell.findtext("memory") or 0) >> 10,
        siblings=tuple(sorted(siblings, key=sorted)),
        pages={int(p.get("size", "0")): int(p.text or 0) for p in cell.findall("pages")},
        socket=min(sockets, default=0),
    )


def _set(option: str, text: str | None, online: frozenset[int]) -> frozenset[int] | None:
    if text is None:
        return None
    try:
        found = cpusets.parse(text)
    except errors.Invalid as e:
        raise errors.ConfigError(f"compute.{option}: {e.message}") from e
    if not found or not found <= online:
        raise errors.ConfigError(f"compute.{option} = {text}: this host has the processors {cpusets.render(online)}.")
    return found


def _reserved(texts: Iterable[str]) -> dict[tuple[int, int], int]:
    found = {}
    for text in texts:
        told = dict(part.split(":", 1) for part in text.split(",") if ":" in part)
        try:
            found[int(told["node"]), int(told["size"])] = int(told["count"])
        except (KeyError, ValueError) as e:
            raise errors.ConfigError(f"reserved_huge_pages = {text}: give node, size in KiB and count, such as "
                                     "node:0,size:2048,count:64.") from e
    return found
