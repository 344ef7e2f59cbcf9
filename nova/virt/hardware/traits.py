# SPDX-License-Identifier: Apache-2.0
"""Features of processors in placement's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_PREFIX = "HW_CPU_X86_"
#: Features, as libvirt and /proc/cpuinfo name them, whose trait is not simply their name in capitals.
_OTHER_NAMES = {
    "aes": "AESNI", "bmi1": "BMI", "fma": "FMA3", "pclmulqdq": "CLMUL", "sha_ni": "SHA", "sha-ni": "SHA",
    "pni": "SSE3", "sse3": "SSE3", "sse4_1": "SSE41", "sse4.1": "SSE41", "sse4_2": "SSE42", "sse4.2": "SSE42",
    "avx512-vbmi": "AVX512VBMI", "avx512vbmi": "AVX512VBMI", "avx512ifma": "AVX512IFMA", "3dnow": "3DNOW",
    "abm": "ABM", "pcid": "INTEL_PCID", "rtm": "TSX", "gfni": "AVX512GFNI", "vaes": "AVX512VAES",
    "vpclmulqdq": "AVX512VPCLMULQDQ", "avx512-vpopcntdq": "AVX512VPOPCNTDQ", "spec-ctrl": "INTEL_SPEC_CTRL",
    "ssbd": "INTEL_SSBD", "md-clear": "INTEL_MD_CLEAR",
}
_SAME_NAMES = (
    "avx", "avx2", "avx512f", "avx512cd", "avx512er", "avx512pf", "avx512vl", "avx512bw", "avx512dq", "bmi2", "f16c",
    "fma4", "mmx", "sse", "sse2", "ssse3", "sse4a", "tbm", "xop", "mpx", "vmx", "svm", "stibp", "pdpe1gb",
    "avx512vnni", "avx512vbmi2", "avx512bitalg",
)
OF_FEATURE = {name: _PREFIX + other for name, other in _OTHER_NAMES.items()} | {
    name: _PREFIX + name.upper() for name in _SAME_NAMES}


def of_features(features: Iterable[str]) -> frozenset[str]:
    return frozenset(OF_FEATURE[name] for name in features if name in OF_FEATURE)


def required(extra_specs: Mapping[str, Any], image_properties: Mapping[str, Any]) -> frozenset[str]:
    """Traits of processors that flavor or image ask for as ``trait:NAME = required``."""
    return frozenset(key.partition(":")[2] for told in (extra_specs, image_properties) for key, value in told.items()
                     if key.startswith("trait:" + _PREFIX) and value == "required")
