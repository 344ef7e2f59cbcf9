# SPDX-License-Identifier: Apache-2.0
"""The host can run what the image's properties ask for: architecture, hypervisor type and version, kind of machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oslo_utils import versionutils

from nova.scheduler.filters.base import Filter, Refused
from nova.scheduler.hosts import HostState
from nova.scheduler.spec import RequestSpec

Kinds = tuple[tuple[str, str, str], ...]

_NAMES = {
    "architecture": ("hw_architecture", "architecture"),
    "hypervisor": ("img_hv_type", "hypervisor_type"),
    "mode": ("hw_vm_mode", "vm_mode"),
    "version": ("img_hv_requested_version", "hypervisor_version_requires"),
}
_SAME_ARCHITECTURE = {"amd64": "x86_64", "x86": "i686", "i386": "i686", "arm64": "aarch64"}
_SAME_MODE = {"pv": "xen", "hv": "hvm", "baremetal": "hvm"}


class ImagePropertiesFilter(Filter):
    """An image that states nothing runs anywhere."""

    label = "image properties"
    on_rebuild = True

    def applies(self, spec: RequestSpec) -> bool:
        properties = spec.image_properties
        return bool(properties) and any(properties.get(name) for names in _NAMES.values() for name in names)

    def refuse(self, host: HostState, spec: RequestSpec) -> str | None:
        return _refusal(_wanted(spec.image_properties), host.supported_instances, host.hypervisor_version)

    def sift(self, hosts: Sequence[HostState], spec: RequestSpec) -> tuple[list[HostState], Refused]:
        wanted = _wanted(spec.image_properties)
        passed: list[HostState] = []
        refused: Refused = []
        known: dict[tuple[Kinds, int], str | None] = {}  # a cloud has few kinds of hosts
        for host in hosts:
            kind = (host.supported_instances, host.hypervisor_version)
            if kind not in known:
                known[kind] = _refusal(wanted, *kind)
            reason = known[kind]
            if reason is None:
                passed.append(host)
            else:
                refused.append((host, reason))
        return passed, refused


def _refusal(wanted: Mapping[str, str], supported: Kinds, hypervisor_version: int) -> str | None:
    kind = tuple(wanted[part] for part in ("architecture", "hypervisor", "mode"))
    if any(kind) and not any(_matches(kind, entry) for entry in supported):
        return f"the image needs {', '.join(part for part in kind if part)}"
    version = wanted["version"]
    if version and not _version_fits(hypervisor_version, version):
        return f"the image needs hypervisor version {version}"
    return None


def _wanted(properties: Mapping[str, Any]) -> dict[str, str]:
    values = {part: next((str(properties[name]) for name in names if properties.get(name)), "")
              for part, names in _NAMES.items()}
    for part, same in (("architecture", _SAME_ARCHITECTURE), ("mode", _SAME_MODE)):
        values[part] = same.get(values[part].lower(), values[part].lower())
    hypervisor = values["hypervisor"].lower()
    return values | {"hypervisor": "qemu" if hypervisor == "kvm" else hypervisor}


def _matches(wanted: tuple[str, ...], offered: tuple[str, str, str]) -> bool:
    architecture, hypervisor, mode = offered
    # QEMU runs every image made for KVM; which of the two accelerates it is the host's affair.
    has = (architecture, "qemu" if hypervisor == "kvm" else hypervisor, mode)
    return all(not want or want == have for want, have in zip(wanted, has, strict=True))


def _version_fits(version: int, predicate: str) -> bool:
    if not version:
        return False
    try:
        wanted = versionutils.VersionPredicate(predicate)
    except ValueError:
        return False
    return bool(wanted.satisfied_by(versionutils.convert_version_to_str(version)))
