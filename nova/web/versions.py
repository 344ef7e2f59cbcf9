# SPDX-License-Identifier: Apache-2.0
"""Microversions: what a request asks for, what the answer says. What a version means stands in the fronts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from nova import errors

_FORM = re.compile(r"^([1-9]\d{0,8})\.(0|[1-9]\d{0,8})$")


class Version(NamedTuple):
    """A microversion; compares with plain tuples: ``request.version >= (2, 47)``."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


#: What ``Request.version`` is on a front without microversions.
UNVERSIONED = Version(0, 0)


def parse(text: str) -> Version:
    found = _FORM.match(text)
    if not found:
        raise errors.Invalid(f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.")
    return Version(int(found[1]), int(found[2]))


class VersionRefused(errors.NotAcceptable):
    """The requested version is not supported."""

    def __init__(self, version: Version, minimum: Version, maximum: Version) -> None:
        super().__init__(f"Version {version} is not supported by the API. "
                         f"Minimum is {minimum} and maximum is {maximum}.",
                         min_version=str(minimum), max_version=str(maximum))
        self.version = version


@dataclasses.dataclass(frozen=True)
class Microversions:
    """The range that a front offers. ``legacy_header`` carries a bare number, as ``X-OpenStack-Nova-API-Version`` does.

    ``fixed`` makes a front that ignores what is asked and answers without version headers (the old ``/v2``).
    """

    service: str
    minimum: Version
    maximum: Version
    legacy_header: str | None = None
    fixed: bool = False
    _cache: dict[tuple[str | None, str | None], Version] = dataclasses.field(default_factory=dict, compare=False)

    @classmethod
    def between(cls, service: str, minimum: str, maximum: str, legacy_header: str | None = None) -> Microversions:
        return cls(service, parse(minimum), parse(maximum), legacy_header)

    def negotiate(self, environ: Mapping[str, Any]) -> Version:
        """The version to answer with. Raises :class:`errors.Invalid` or :class:`VersionRefused`."""
        if self.fixed:
            return self.minimum
        key = environ.get("HTTP_OPENSTACK_API_VERSION"), environ.get(self._legacy_key)
        if key == (None, None):
            return self.minimum
        known = self._cache.get(key)
        if known is None:
            known = self._negotiate(*key)
            if len(self._cache) < 1000:
                self._cache[key] = known
        return known

    @property
    def _legacy_key(self) -> str:
        return f"HTTP_{self.legacy_header.upper().replace('-', '_')}" if self.legacy_header else ""

    def _negotiate(self, header: str | None, legacy: str | None) -> Version:
        asked = legacy.strip() if legacy else None
        for part in (header or "").split(","):
            service, _, number = part.strip().partition(" ")
            if service.lower() == self.service and number:
                asked = number.strip()
        if not asked:
            return self.minimum
        if asked.lower() == "latest":
            return self.maximum
        version = parse(asked)
        if not self.minimum <= version <= self.maximum:
            raise VersionRefused(version, self.minimum, self.maximum)
        return version

    def headers(self, version: Version) -> list[tuple[str, str]]:
        if self.fixed:
            return []
        headers = [("OpenStack-API-Version", f"{self.service} {version}")]
        if self.legacy_header:
            return [*headers, (self.legacy_header, str(version)),
                    ("Vary", f"OpenStack-API-Version, {self.legacy_header}")]
        return [*headers, ("Vary", "OpenStack-API-Version")]
