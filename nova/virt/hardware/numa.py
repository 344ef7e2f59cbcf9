# SPDX-License-Identifier: Apache-2.0
"""The NUMA nodes, dedicated processors and memory pages that a guest asks for, without a host."""

from __future__ import annotations

import dataclasses
import re

from nova import errors
from nova.virt.hardware import cpusets, wishes
from nova.virt.hardware.catalogue import invalid
from nova.virt.hardware.wishes import Wishes

#: Page sizes by word; others are in KiB.
SMALL, LARGE, ANY = "small", "large", "any"
_SIZE = re.compile(r"(\d{1,12})\s*(?:([kKMGT])i?)?(?:b|bit|B)?")
_KIB = {"k": 1, "K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30}


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """One node of the guest; ``cpus`` and ``dedicated`` are its vCPUs by number."""

    id: int
    cpus: frozenset[int]
    memory_mb: int
    dedicated: frozenset[int] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """Everything a guest asks of the host's nodes. ``visible``: the guest itself shall see its nodes."""

    nodes: tuple[Node, ...]
    thread_policy: str = "prefer"
    emulator: str | None = None
    page_size: str | int | None = None
    realtime: frozenset[int] = frozenset()
    visible: bool = False

    @property
    def dedicated(self) -> frozenset[int]:
        return frozenset().union(*(n.dedicated for n in self.nodes))


def request(asked: Wishes, vcpus: int, memory_mb: int) -> Request | None:
    """None for a guest that takes what it gets. Raises Invalid for what no host could give."""
    own = dedicated(asked, vcpus)
    page_size = _page_size(asked)
    nodes = _nodes(asked, vcpus, memory_mb, own)
    emulator = asked.word("emulator_threads")
    if emulator == "isolate" and not own:
        raise errors.Invalid("hw:emulator_threads_policy = isolate needs hw:cpu_policy = dedicated or mixed.")
    thread_policy = _thread_policy(asked, bool(own))
    if asked.flag("locked_memory") and page_size is None:
        raise errors.Invalid("hw:locked_memory needs hw:mem_page_size.")
    realtime = _realtime(asked, vcpus, own)
    if nodes is None and not own and page_size is None:
        return None
    whole = (Node(0, frozenset(range(vcpus)), memory_mb, own),)
    return Request(nodes or whole, thread_policy, emulator, page_size, realtime, visible=nodes is not None)


def policy(asked: Wishes) -> str:
    """shared, dedicated or mixed. An image may make a flavor without a policy dedicated, and no more."""
    flavor, image = asked.in_flavor("cpu_policy"), asked.in_image("cpu_policy")
    for name, value in (("hw:cpu_policy", flavor), ("hw_cpu_policy", image)):
        if value not in (None, "shared", "dedicated", "mixed"):
            raise invalid(name, value, "it must be one of shared, dedicated, mixed")
    if flavor in ("shared", "mixed") and image not in (None, "shared", flavor):
        raise errors.Invalid(f"Image property hw_cpu_policy = {image} is not permitted by the flavor's hw:cpu_policy = "
                             f"{flavor}.")
    return flavor or image or "shared"


def dedicated_processors(asked: Wishes, vcpus: int) -> int:
    """How many processors nobody else may have, with that of an isolated emulator."""
    own = len(dedicated(asked, vcpus))
    return own + (1 if own and asked.word("emulator_threads") == "isolate" else 0)


def dedicated(asked: Wishes, vcpus: int) -> frozenset[int]:
    """The vCPUs that have a processor each."""
    wanted = policy(asked)
    mask = asked.cpus("cpu_dedicated_mask", vcpus)
    if wanted != "mixed":
        if mask is not None:
            raise errors.Invalid("hw:cpu_dedicated_mask goes with hw:cpu_policy = mixed only.")
        return frozenset(range(vcpus)) if wanted == "dedicated" else frozenset()
    if mask is None:
        mask = _realtime_mask(asked, vcpus) if asked.flag("cpu_realtime") else None
    if mask is None:
        raise errors.Invalid("hw:cpu_policy = mixed needs hw:cpu_dedicated_mask.")
    if not mask or len(mask) == vcpus:
        raise errors.Invalid("hw:cpu_dedicated_mask must leave some vCPUs dedicated and some shared.")
    return mask


def _thread_policy(asked: Wishes, dedicated: bool) -> str:
    flavor, image = asked.in_flavor("cpu_thread_policy"), asked.in_image("cpu_thread_policy")
    if flavor in ("isolate", "require") and image not in (None, flavor):
        raise errors.Invalid(f"Image property hw_cpu_thread_policy = {image} is not permitted by the flavor's "
                             f"hw:cpu_thread_policy = {flavor}.")
    found = image if flavor in (None, "prefer") and image else flavor
    if found not in (None, "prefer", "isolate", "require"):
        raise errors.Invalid(f"hw:cpu_thread_policy = '{found}' cannot be: it must be one of prefer, isolate, require.")
    if found and not dedicated:
        raise errors.Invalid("hw:cpu_thread_policy needs hw:cpu_policy = dedicated or mixed.")
    return found or "prefer"


def _realtime(asked: Wishes, vcpus: int, dedicated: frozenset[int]) -> frozenset[int]:
    if not asked.flag("cpu_realtime"):
        return frozenset()
    mask = _realtime_mask(asked, vcpus) or (dedicated if len(dedicated) < vcpus else None)
    if not dedicated or mask is None or not mask <= dedicated:
        raise errors.Invalid("hw:cpu_realtime needs hw:cpu_policy = dedicated or mixed, and hw:cpu_realtime_mask to "
                             "name which of the dedicated vCPUs are realtime.")
    if mask == frozenset(range(vcpus)) and asked.in_flavor("emulator_threads") is None:
        raise errors.Invalid("hw:cpu_realtime_mask must leave a vCPU for the emulator, or hw:emulator_threads_policy "
                             "be set.")
    return mask


def _realtime_mask(asked: Wishes, vcpus: int) -> frozenset[int] | None:
    return asked.cpus("cpu_realtime_mask", vcpus)


def _page_size(asked: Wishes) -> str | int | None:
    """An image may refine ``large`` and ``any``, not overrule a size."""
    flavor, image = asked.in_flavor("mem_page_size"), asked.in_image("mem_page_size")
    if image is not None:
        if flavor not in (LARGE, ANY):
            raise errors.Invalid(f"Image property hw_mem_page_size = {image} is permitted only if the flavor has "
                                 "hw:mem_page_size = large or any.")
        return _size("hw_mem_page_size", image)
    return None if flavor is None else _size("hw:mem_page_size", flavor)


def _size(name: str, value: str) -> str | int:
    if value in (SMALL, LARGE, ANY):
        return value
    match = _SIZE.fullmatch(value)
    kib = int(match[1]) * _KIB[match[2] or "k"] if match else 0
    if not kib:
        raise invalid(name, value, "it must be small, large, any, or a size such as 2MB")
    return kib


def _nodes(asked: Wishes, vcpus: int, memory_mb: int, dedicated: frozenset[int]) -> tuple[Node, ...] | None:
    flavor, image = asked.in_flavor("numa_nodes"), asked.in_image("numa_nodes")
    if flavor is not None and image is not None and flavor != image:
        raise errors.Invalid("Image property hw_numa_nodes is not permitted where the flavor has hw:numa_nodes.")
    text = flavor or image
    if text is None:
        if any(k.startswith(("hw:numa_cpus.", "hw:numa_mem.")) for k in asked.specs):
            raise errors.Invalid("hw:numa_cpus.N and hw:numa_mem.N need hw:numa_nodes.")
        return None
    count = wishes.number("hw:numa_nodes", text)
    if not 0 < count <= vcpus:
        raise invalid("hw:numa_nodes", text, f"a server of {vcpus} vCPUs has 1 to {vcpus} nodes")
    cpus = _per_node(asked, "numa_cpus", count)
    memory = _per_node(asked, "numa_mem", count)
    sets = _cpus_of(cpus, count, vcpus)
    sizes = _memory_of(memory, count, memory_mb)
    return tuple(Node(i, sets[i], sizes[i], sets[i] & dedicated) for i in range(count))


def _cpus_of(given: list[str] | None, count: int, vcpus: int) -> list[frozenset[int]]:
    if given is None:
        if vcpus % count:
            raise errors.Invalid(f"{vcpus} vCPUs cannot be spread evenly over {count} nodes: give hw:numa_cpus.N.")
        each = vcpus // count
        return [frozenset(range(i * each, (i + 1) * each)) for i in range(count)]
    sets = [cpusets.parse(text) for text in given]
    named = [cpu for cpus in sets for cpu in cpus]
    if sorted(named) != list(range(vcpus)):
        raise errors.Invalid(f"hw:numa_cpus.N must name each of the vCPUs 0 to {vcpus - 1} once.")
    if not all(sets):
        raise errors.Invalid("hw:numa_cpus.N must give every node a vCPU.")
    return sets


def _memory_of(given: list[str] | None, count: int, memory_mb: int) -> list[int]:
    if given is None:
        if memory_mb % count:
            raise errors.Invalid(f"{memory_mb} MiB cannot be spread evenly over {count} nodes: give hw:numa_mem.N.")
        return [memory_mb // count] * count
    sizes = [wishes.number("hw:numa_mem.N", text) for text in given]
    if sum(sizes) != memory_mb or 0 in sizes:
        raise errors.Invalid(f"hw:numa_mem.N must add up to the server's {memory_mb} MiB, with some for every node.")
    return sizes


def _per_node(asked: Wishes, name: str, count: int) -> list[str] | None:
    """What flavor or image say of each node, for all of them or for none."""
    flavor = {k: str(v) for k, v in asked.specs.items() if k.startswith(f"hw:{name}.")}
    image = {k: str(v) for k, v in asked.properties.items() if k.startswith(f"hw_{name}.")}
    if flavor and image:
        raise errors.Invalid(f"Image property hw_{name}.N is not permitted where the flavor has hw:{name}.N.")
    given, prefix = (flavor, f"hw:{name}.") if flavor else (image, f"hw_{name}.")
    if not given:
        return None
    wanted = [f"{prefix}{i}" for i in range(count)]
    if set(given) != set(wanted):
        raise errors.Invalid(f"{prefix}N must be given for each of the {count} nodes, from 0 on, and for no other.")
    return [given[key] for key in wanted]
