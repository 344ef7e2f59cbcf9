# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor driver may be able to do, one small interface per ability.

A driver inherits :class:`Driver` and the interfaces it implements. What it does not inherit it cannot do, and whoever
asks gets told before anything starts (``driver.supports(Console)``). Drivers get data and give data: no database, no
bus, no manager. Every method may be repeated after a crash at any point of it.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

from nova import errors
from nova.virt.types import (
    ConsoleAddress,
    GuestInfo,
    GuestSpec,
    HostInventory,
    ImageSource,
    LifecycleEvent,
    Nic,
    Progress,
    no_progress,
)

RebootKind = Literal["SOFT", "HARD"]
Listener = Callable[[LifecycleEvent], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver tells about itself before anybody asks it to act."""

    driver: str
    hypervisor_type: str
    image_formats: frozenset[str]
    has_imagecache: bool = False
    data_plane: bool = False
    """Guests have real taps: the host's network must be made before a spawn."""

    def traits(self) -> tuple[str, ...]:
        """The capabilities in placement's words."""
        return tuple(sorted(f"COMPUTE_IMAGE_TYPE_{f.upper()}" for f in self.image_formats))


class Driver(abc.ABC):
    """A connection to the hypervisor of one host."""

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abc.abstractmethod
    def start(self) -> None:
        """Connect and check; :class:`errors.ConfigError` says what to do when this host cannot run guests."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Let go of the hypervisor. Guests go on."""

    def supports(self, interface: type) -> bool:
        return isinstance(self, interface)

    def require(self, interface: type) -> None:
        if not self.supports(interface):
            raise errors.NotSupported(f"The {self.capabilities.driver} driver cannot do this: {interface.__name__}.")


class Lifecycle(abc.ABC):
    """To make, end and power guests."""

    @abc.abstractmethod
    def spawn(self, guest: GuestSpec, progress: Progress = no_progress) -> None:
        """Have this guest running. Found running is fine; found half made is finished or made anew.

        :class:`errors.HostFailure` with ``retry`` False means that no other host will do better.
        """

    @abc.abstractmethod
    def destroy(self, uuid: str, name: str) -> None:
        """Have neither guest nor disks. Nothing to be found is fine."""

    @abc.abstractmethod
    def power_on(self, uuid: str) -> None:
        """Have it running. Found running is fine."""

    @abc.abstractmethod
    def recreate(self, guest: GuestSpec) -> None:
        """Have a guest running again that the hypervisor has forgotten, on the disks that are still there.

        Without them :class:`errors.NotFound`.
        """

    @abc.abstractmethod
    def power_off(self, uuid: str, timeout: float = 0) -> None:
        """Have it shut off: ask the guest and give it ``timeout`` seconds, then pull the plug."""

    @abc.abstractmethod
    def reboot(self, uuid: str, kind: RebootKind) -> None:
        """Restart it. A soft reboot that the guest does not follow in time becomes a hard one."""

    @abc.abstractmethod
    def info(self, uuid: str) -> GuestInfo:
        """Raises :class:`errors.NotFound`."""

    @abc.abstractmethod
    def list(self) -> list[str]:
        """The uuids of all guests of ours on this host, running or not."""

    @abc.abstractmethod
    def exists(self, uuid: str) -> bool: ...


class Inventory(abc.ABC):
    """To say what the host has."""

    @abc.abstractmethod
    def inventory(self) -> HostInventory: ...

    @abc.abstractmethod
    def uptime(self) -> str:
        """Uptime, users and load in the words of uptime(1)."""


class Console(abc.ABC):
    """To read what a guest writes to its serial port, and find its screen."""

    @abc.abstractmethod
    def console_log(self, uuid: str, lines: int | None = None) -> str:
        """The end of the serial console's log: at most ``lines`` lines, never more than 100 KiB."""

    @abc.abstractmethod
    def vnc(self, uuid: str) -> ConsoleAddress:
        """Raises :class:`errors.Conflict` when the guest is not running."""


class Events(abc.ABC):
    """To hear of what happens to guests by themselves."""

    @abc.abstractmethod
    def listen(self, listener: Listener) -> None:
        """Call ``listener`` for every event from now on, one at a time, in order per guest."""


class ImageCache(abc.ABC):
    """To keep base images on the host."""

    @abc.abstractmethod
    def cache_image(self, image: ImageSource) -> None: ...

    @abc.abstractmethod
    def prune_images(self, unused_seconds: float) -> list[str]:
        """Remove bases that no disk uses and none has for so long; returns the image ids' keys."""


class Pause(abc.ABC):
    """To freeze and thaw the processors of a guest."""

    @abc.abstractmethod
    def pause(self, uuid: str) -> None:
        """Have it frozen. Found paused is fine; one that does not run is :class:`errors.HostFailure`."""

    @abc.abstractmethod
    def unpause(self, uuid: str) -> None:
        """Have it running. Found running is fine; one that is off is :class:`errors.HostFailure`."""


class Suspend(abc.ABC):
    """To save a guest's memory to disk and restore it."""

    @abc.abstractmethod
    def suspend(self, uuid: str) -> None:
        """Have its memory saved and the guest off. Found so is fine; one that does not run is
        :class:`errors.HostFailure`."""

    @abc.abstractmethod
    def resume(self, uuid: str) -> None:
        """Have it running from its saved memory, also after the host was restarted. Found running is fine; without
        saved memory :class:`errors.HostFailure`, for a boot is not what was asked for."""


class Interfaces(abc.ABC):
    """To plug network cards into a guest and pull them out."""

    @abc.abstractmethod
    def attach_interface(self, uuid: str, nic: Nic) -> None: ...

    @abc.abstractmethod
    def detach_interface(self, uuid: str, nic: Nic) -> None: ...


class Volumes(abc.ABC):
    """To plug block devices into a guest; ``connection`` is what the volume service gave out."""

    @abc.abstractmethod
    def attach_volume(self, uuid: str, connection: Mapping[str, Any], device: str) -> None: ...

    @abc.abstractmethod
    def detach_volume(self, uuid: str, connection: Mapping[str, Any], device: str) -> None: ...


class Snapshots(abc.ABC):
    """To make an image of a guest's disk."""

    @abc.abstractmethod
    def snapshot(self, uuid: str, write: Callable[[bytes], None], disk_format: str) -> None: ...


class Resize(abc.ABC):
    """To give a guest another flavor, here or from another host."""

    @abc.abstractmethod
    def prepare_resize(self, uuid: str, guest: GuestSpec, destination: str) -> Mapping[str, Any]: ...

    @abc.abstractmethod
    def finish_resize(self, guest: GuestSpec, disks: Mapping[str, Any], power_on: bool) -> None: ...


class LiveMigration(abc.ABC):
    """To move a running guest."""

    @abc.abstractmethod
    def check_destination(self, guest: GuestSpec) -> Mapping[str, Any]: ...

    @abc.abstractmethod
    def migrate(self, uuid: str, plan: Mapping[str, Any], progress: Progress = no_progress) -> None: ...


class Rescue(abc.ABC):
    """To boot a guest from a rescue image with its own disk beside it."""

    @abc.abstractmethod
    def rescue(self, guest: GuestSpec, image: ImageSource) -> None: ...

    @abc.abstractmethod
    def unrescue(self, uuid: str) -> None: ...


#: Every interface that a driver may implement.
ABILITIES: tuple[type, ...] = (Lifecycle, Inventory, Console, Events, ImageCache, Pause, Suspend, Interfaces, Volumes,
                               Snapshots, Resize, LiveMigration, Rescue)


def abilities_of(driver: Driver) -> tuple[str, ...]:
    """The names of the interfaces that a driver implements, as its host reports them."""
    return tuple(sorted(interface.__name__ for interface in ABILITIES if driver.supports(interface)))
