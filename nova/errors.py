# SPDX-License-Identifier: Apache-2.0
"""Errors by meaning: what went wrong for whoever asked, never where it was noticed.

Each class carries a stable ``code`` (used on the bus, in logs and in tests) and an ``http`` status. One place maps
them to answers (:mod:`nova.web.faults`); :data:`CROSSING` lists the codes that may cross the bus.
"""

from __future__ import annotations

from typing import Any, ClassVar


class NovaError(Exception):
    """Base of all errors of ours. ``message`` is written for the person who asked."""

    code: ClassVar[str] = "internal"
    http: ClassVar[int] = 500

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or self.__class__.__doc__ or self.code)
        self.message = message or (self.__class__.__doc__ or self.code).strip()
        self.details = details


class Invalid(NovaError):
    """The request is malformed or makes no sense."""

    code = "invalid"
    http = 400


class Unauthorized(NovaError):
    """The request you have made requires authentication."""

    code = "unauthorized"
    http = 401


class Forbidden(NovaError):
    """Policy doesn't allow this to be performed."""

    code = "forbidden"
    http = 403


class OverQuota(Forbidden):
    """Quota exceeded."""

    code = "over_quota"


class NotFound(NovaError):
    """The resource could not be found."""

    code = "not_found"
    http = 404


class NotAcceptable(NovaError):
    """The requested version is not supported."""

    code = "not_acceptable"
    http = 406


class Conflict(NovaError):
    """The resource is in a state that does not allow this."""

    code = "conflict"
    http = 409


class Stale(Conflict):
    """Another owner has taken this over; the caller stops and undoes nothing."""

    code = "stale"


class NoValidHost(Conflict):
    """No valid host was found. ``details['reasons']`` holds the refusals per filter."""

    code = "no_valid_host"
    http = 500


class Gone(NovaError):
    """This has been removed."""

    code = "gone"
    http = 410


class TooLarge(NovaError):
    """Request is too large."""

    code = "too_large"
    http = 413


class UnsupportedMediaType(NovaError):
    """Unsupported Content-Type"""

    code = "unsupported_media_type"
    http = 415


class Unprocessable(NovaError):
    """The same key was used with another request."""

    code = "unprocessable"
    http = 422


class NotSupported(NovaError):
    """The host or service cannot do this."""

    code = "not_supported"
    http = 501


class Unavailable(NovaError):
    """A service that is needed for this is not reachable now. ``details['retry_after']`` is in seconds."""

    code = "unavailable"
    http = 503


class HostFailure(NovaError):
    """A hypervisor host could not do its part. ``details['retry']`` tells if another host may succeed."""

    code = "host_failure"


class ConfigError(NovaError):
    """A configuration value or the environment prevents a start; ``message`` names the option and the remedy."""

    code = "config"


def _subclasses(cls: type[NovaError]) -> list[type[NovaError]]:
    return [cls, *(s for c in cls.__subclasses__() for s in _subclasses(c))]


#: Errors that may cross the bus, by code. Anything else arrives as a plain :class:`NovaError`.
CROSSING: dict[str, type[NovaError]] = {c.code: c for c in _subclasses(NovaError) if c is not ConfigError}
