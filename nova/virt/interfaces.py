# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor driver may be able to do, one small interface per ability.

A driver inherits :class:`Driver` and the interfaces it implements. What it does not inherit it cannot do, and whoever
asks gets told before anything starts (``driver.supports(Console)``). Drivers get data and give data: no database, no
bus, no manager. Every method may be repeated after a crash at any point of it.
"""

from __future__ import annotations

import abc
import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

from nova import errors
from nova.virt.diagnostics import GuestDiagnostics
from nova.virt.migration import Watch, Wishes
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
#: Whether the guest is asked to write out its file systems first: not at all, if it can, or else not without it.
Quiesce = Literal["no", "try", "must"]
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
    def hurry(self, uuid: str) -> None:
        """The guest is to be destroyed: whoever gives it time to end by itself pulls the plug now. Does not block, and
        does nothing to a guest that nobody waits for. It holds until the guest is destroyed."""

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


class GuestAgent(abc.ABC):
    """To speak with an agent in the guest."""

    @abc.abstractmethod
    def set_password(self, uuid: str, user: str, password: str) -> None:
        """:class:`errors.Conflict` when no agent answers in time, :class:`errors.HostFailure` when it refuses."""


class Nmi(abc.ABC):
    """To interrupt a guest's kernel, so that it dumps its memory if it is set up to."""

    @abc.abstractmethod
    def inject_nmi(self, uuid: str) -> None:
        """:class:`errors.HostFailure` for a guest that is off."""


class Injection(abc.ABC):
    """To write into a guest which cards and addresses it has. Guests of libvirt ask by DHCP and read config drives."""

    @abc.abstractmethod
    def inject_network_info(self, uuid: str, nics: tuple[Nic, ...]) -> None:
        """:class:`errors.NotFound` for a guest that is not there."""


class Diagnostics(abc.ABC):
    """To tell what the hypervisor counts of a guest."""

    @abc.abstractmethod
    def diagnostics(self, uuid: str) -> GuestDiagnostics: ...


class Interfaces(abc.ABC):
    """To plug network cards into a guest and pull them out."""

    @abc.abstractmethod
    def attach_interface(self, uuid: str, nic: Nic) -> None:
        """Have the card in the guest, running or not. Found there is fine."""

    @abc.abstractmethod
    def detach_interface(self, uuid: str, nic: Nic) -> None:
        """Have the card out of the guest. Not found is fine; :class:`errors.HostFailure` when a guest does not let
        go."""


class Volumes(abc.ABC):
    """To plug block devices into a guest; ``connection`` is what the volume service gave out."""

    @abc.abstractmethod
    def attach_volume(self, uuid: str, connection: Mapping[str, Any], device: str) -> None: ...

    @abc.abstractmethod
    def detach_volume(self, uuid: str, connection: Mapping[str, Any], device: str) -> None: ...


class Snapshots(abc.ABC):
    """To make an image of a guest's disk: a file on the host that its user sends away and then has removed."""

    @abc.abstractmethod
    def snapshot(self, uuid: str, image_id: str, disk_format: str, quiesce: Quiesce = "no",
                 progress: Progress = no_progress) -> pathlib.Path:
        """Have the disk's content, as it is at one moment, complete in a file of this format. A repetition for the same
        image gives the file that is there. Raises NotFound for no such guest."""

    @abc.abstractmethod
    def drop_snapshot(self, uuid: str, image_id: str) -> None:
        """Have no such file, nor anything that makes one. Nothing to be found is fine."""


class Resize(abc.ABC):
    """To give a guest another flavor, here or from another host. Its disks wait aside, where no other method of this
    or any interface finds them, until somebody says that they are wanted no more."""

    @abc.abstractmethod
    def expect(self, guest: GuestSpec, *, from_here: bool) -> Mapping[str, Any]:
        """A guest of this shape is to come: what the host that it leaves may want to know, as JSON.
        :class:`errors.HostFailure` when there is no room."""

    @abc.abstractmethod
    def set_aside(self, guest: GuestSpec, expected: Mapping[str, Any], timeout: float,
                  progress: Progress = no_progress) -> Mapping[str, Any]:
        """Stop the guest (it is asked for ``timeout`` seconds) and put its disks aside; as JSON, how to get them."""

    @abc.abstractmethod
    def bring_in(self, guest: GuestSpec, disks: Mapping[str, Any], progress: Progress = no_progress, *,
                 power_on: bool = True) -> None:
        """Have this guest, with the disks that were set aside elsewhere or here, at its own sizes."""

    @abc.abstractmethod
    def take_back(self, guest: GuestSpec, *, power_on: bool) -> None:
        """Have the guest again as it was before its disks were set aside. That they never were is fine."""

    @abc.abstractmethod
    def drop_aside(self, uuid: str) -> None:
        """Disks that were set aside are wanted no more. Nothing to be found is fine."""

    @abc.abstractmethod
    def list_aside(self) -> list[str]:
        """The uuids of guests with disks aside."""


class LiveMigration(abc.ABC):
    """To move a running guest: the driver of the source and that of the destination each do their part.

    What they tell each other is plain JSON that only they understand.
    """

    @abc.abstractmethod
    def examine(self, uuid: str, mark: str) -> Mapping[str, Any]:
        """Source: what a destination must know. :class:`errors.HostFailure` for a guest that cannot be moved. The
        ``mark`` is the migration's: where it can be seen, the guest's files are seen."""

    @abc.abstractmethod
    def prepare_arrival(self, guest: GuestSpec, source: Mapping[str, Any], wishes: Wishes) -> Mapping[str, Any]:
        """Destination: refuse what cannot run here (:class:`errors.HostFailure`), have room for its disks, and tell
        the source where they are."""

    @abc.abstractmethod
    def clear_arrival(self, uuid: str, name: str) -> None:
        """Destination: nothing is left of what was prepared. :class:`errors.HostFailure` when the guest runs here."""

    @abc.abstractmethod
    def migrate(self, uuid: str, destination: Mapping[str, Any], wishes: Wishes, watch: Watch) -> None:
        """Source: returns when the guest is at the destination. A migration that is found under way is gone on with;
        a guest that is gone has arrived, and so has one that was lost once it had begun to run there.
        :class:`errors.Conflict` when it was aborted, :class:`errors.HostFailure` when it failed: the guest goes on here
        then, or has ended."""

    @abc.abstractmethod
    def call_off(self, uuid: str) -> None:
        """Source: no migration is under way and the guest goes on here. :class:`errors.NotFound` when it does not run
        here any more."""

    @abc.abstractmethod
    def arrived(self, uuid: str) -> bool:
        """Destination: whether the guest lives here by now."""

    @abc.abstractmethod
    def welcome(self, guest: GuestSpec) -> bool:
        """Destination: what is to be done once the guest is here for good. Whether it runs: False for one that was lost
        on its way; its disks are here then and it is off. :class:`errors.Unavailable` while that is not certain."""

    @abc.abstractmethod
    def see_off(self, uuid: str, name: str, destination: Mapping[str, Any]) -> None:
        """Source: nothing is left of a guest that has arrived elsewhere."""


class Rebuild(abc.ABC):
    """To make a guest's disks anew where it is."""

    @abc.abstractmethod
    def rebuild(self, guest: GuestSpec, *, preserve_ephemeral: bool, progress: Progress = no_progress) -> None:
        """Have the guest off, with fresh disks from its image; ephemeral space may be kept. Repeated, they are made
        once more: nothing has run from them yet."""


class Rescue(abc.ABC):
    """To boot a guest from a rescue image with its own disk beside it."""

    @abc.abstractmethod
    def rescue(self, guest: GuestSpec, image: ImageSource, timeout: float = 0,
               progress: Progress = no_progress) -> None:
        """Stop it, cleanly within ``timeout`` seconds, and have it running from a disk made of ``image``. The rescue
        disk comes first, or, where the image names a device or bus for it, after the others as it says."""

    @abc.abstractmethod
    def unrescue(self, guest: GuestSpec, *, power_on: bool) -> None:
        """Have it as before, with its own disks, running or off. What was never rescued is only powered."""


#: Every interface that a driver may implement.
ABILITIES: tuple[type, ...] = (
    Lifecycle, Inventory, Console, Events, ImageCache, Pause, Suspend, Interfaces, Volumes, Snapshots, Resize,
    LiveMigration, Rebuild, Rescue, GuestAgent, Nmi, Diagnostics, Injection)


def abilities_of(driver: Driver) -> tuple[str, ...]:
    """The names of the interfaces that a driver implements, as its host reports them."""
    return tuple(sorted(interface.__name__ for interface in ABILITIES if driver.supports(interface)))
